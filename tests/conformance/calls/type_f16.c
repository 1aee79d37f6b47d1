/* Elements of type f16 (here 1.5, -2 and 0.5) go in, are computed with and come out. */
#define TYPE WASI_NN_TENSOR_TYPE_F16
#define TYPE_NAME "f16"
#define ELEMENT uint16_t
#define VALUES {0x3E00, 0xC000, 0x3800}
#define DOUBLED {0x4200, 0xC400, 0x3C00}
#include "tensor_type.h"
