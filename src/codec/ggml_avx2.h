/* AVX2 kernels of quantizers, beside the plain ones: the same bits, several times as fast. Where sums decide, a lane is a sub-block (or a block), so
 * that each lane adds what the plain code adds, in its order; what is the same in any order (extremes, rounding, packing) goes across a block. */
#ifndef REPAQ_GGML_AVX2_H
#define REPAQ_GGML_AVX2_H

#include "codec/ggml_fast.h"
#include "codec/ggml_k.h"

#if defined(__x86_64__)
bool ggml_avx2_usable(void);
bool ggml_avx2_finite(const float *values, uint64_t count);

extern const struct ggml_k_search ggml_avx2_search;

/* See ggml_fast_encode. Rows of fewer than eight blocks of 32 with weights, and of IQ4_NL in any case, are left to the plain code. */
ggml_fast_encode ggml_avx2_legacy_q8_0, ggml_avx2_legacy_q4_0, ggml_avx2_legacy_q4_1, ggml_avx2_legacy_q5_0, ggml_avx2_legacy_q5_1, ggml_avx2_legacy_q2_0;
ggml_fast_encode ggml_avx2_q2_k, ggml_avx2_q3_k, ggml_avx2_q4_k, ggml_avx2_q5_k, ggml_avx2_q6_k, ggml_avx2_iq4_nl, ggml_avx2_iq4_xs;
ggml_fast_encode ggml_avx2_iq_2xxs, ggml_avx2_iq_2xs, ggml_avx2_iq_2s, ggml_avx2_iq_3xxs, ggml_avx2_iq_3s;
ggml_fast_encode ggml_avx2_iq_1s, ggml_avx2_iq_1m;
ggml_fast_encode ggml_avx2_fp4_mx, ggml_avx2_fp4_nv;
#define X(type, name) ggml_fast_decode ggml_avx2_decode_##name;
GGML_FAST_DECODES(X)
#undef X
#endif

#endif
