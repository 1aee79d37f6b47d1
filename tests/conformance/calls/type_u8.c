/* Elements of type u8 go in, are computed with and come out. */
#define TYPE WASI_NN_TENSOR_TYPE_U8
#define TYPE_NAME "u8"
#define ELEMENT uint8_t
#define VALUES {0, 1, 127}
#define DOUBLED {0, 2, 254}
#include "tensor_type.h"
