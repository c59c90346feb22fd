/* Inside codec only: the fast kernels that pack.c chooses from. */
#ifndef REPAQ_PACK_KERNELS_H
#define REPAQ_PACK_KERNELS_H

#include "codec/pack.h"

/* Both directions of one layout, for regions of whole steps: out % out_step == 0 and in % in_step == 0. */
struct pack_kernel {
    void (*pack)(struct codes codes, size_t out, size_t in, struct stored stored);
    size_t (*unpack)(struct stored stored, size_t out, size_t in, struct codes codes); /* returns the bad fields, as unpack_codes does */
    size_t out_step, in_step; /* at most PACK_STEP_MAX; whole runs */
};
#define PACK_STEP_MAX 32

/* The kernels of a row, or NULL if there are none. */
const struct pack_kernel *pack_fast_kernel(enum layout_id id);

#endif
