/* Elements of type i32 go in, are computed with and come out. */
#define TYPE WASI_NN_TENSOR_TYPE_I32
#define TYPE_NAME "i32"
#define ELEMENT int32_t
#define VALUES {1, -2, 1000000}
#define DOUBLED {2, -4, 2000000}
#include "tensor_type.h"
