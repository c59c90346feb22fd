#include "codec/pack_kernels.h"

const struct pack_kernel *pack_fast_kernel(enum layout_id id)
{
    (void)id;
    return NULL;
}
