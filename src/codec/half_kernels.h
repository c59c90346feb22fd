/* Inside codec only: half_load and half_store for whole eights of values, where the processor has AVX2. */
#ifndef REPAQ_HALF_KERNELS_H
#define REPAQ_HALF_KERNELS_H

#include "codec/half.h"

#include <stdbool.h>

#if defined(__x86_64__)
bool half_avx2_usable(void);
/* count is a multiple of 8. */
void half_avx2_load(enum dtype dtype, const uint8_t *source, size_t count, float *values);
void half_avx2_store(enum dtype dtype, const float *values, size_t count, uint8_t *target, struct cast_tally *tally);
#endif

#endif
