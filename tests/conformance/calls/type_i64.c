/* Elements of type i64 go in, are computed with and come out. */
#define TYPE WASI_NN_TENSOR_TYPE_I64
#define TYPE_NAME "i64"
#define ELEMENT int64_t
#define VALUES {1, -2, 1000000}
#define DOUBLED {2, -4, 2000000}
#include "tensor_type.h"
