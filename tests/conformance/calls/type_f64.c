/* Elements of type f64 go in, are computed with and come out. */
#define TYPE WASI_NN_TENSOR_TYPE_F64
#define TYPE_NAME "f64"
#define ELEMENT double
#define VALUES {1.5, -2, 1024}
#define DOUBLED {3, -4, 2048}
#include "tensor_type.h"
