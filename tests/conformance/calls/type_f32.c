/* Elements of type f32 go in, are computed with and come out. */
#define TYPE WASI_NN_TENSOR_TYPE_F32
#define TYPE_NAME "f32"
#define ELEMENT float
#define VALUES {1.5f, -2, 0.1f}
#define DOUBLED {3, -4, 0.2f}
#include "tensor_type.h"
