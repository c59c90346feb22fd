/* AVX2 kernels of quantizers, beside the plain ones: the same bits, several times as fast. Where sums decide, a lane is a sub-block (or a block), so
 * that each lane adds what the plain code adds, in its order; what is the same in any order (extremes, rounding, packing) goes across a block. */
#ifndef REPAQ_GGML_AVX2_H
#define REPAQ_GGML_AVX2_H

#include "codec/ggml_fast.h"
#include "codec/ggml_k.h"
#include "codec/ggml_search.h"

#if defined(__x86_64__)
bool ggml_avx2_usable(void);

/* Eight (sub-)blocks whose elements are `stride` floats apart, at most 32 each. */
struct ggml_avx2_eight {
    const float *x;
    size_t stride;
    int count; /* elements of one: 16 or 32 */
    enum ggml_k_weighing weighing;
    const float *importance; /* as x; for the weighings that need it */
    float mean_square;
};
/* What a lane came to, and how to make its codes: clamp(to_nearest(inverse * (x - least)), ...). */
struct ggml_avx2_found {
    float scale[8], offset[8], inverse[8], least[8], sum[8]; /* sum: of weights */
    unsigned zeros;                                          /* bit j: lane j has nothing to search; its codes are 0 */
};
void ggml_avx2_affine(const struct ggml_avx2_eight *eight, const struct ggml_search_affine *how, struct ggml_avx2_found *found);
void ggml_avx2_centred(const struct ggml_avx2_eight *eight, int half, struct ggml_avx2_found *found); /* offset, least: 0 */

/* See ggml_fast_encode. Without weights all blocks of a row; with them, and of IQ4_NL in any case, whole eights of blocks of 32. */
ggml_fast_encode ggml_avx2_legacy_q8_0, ggml_avx2_legacy_q4_0, ggml_avx2_legacy_q4_1, ggml_avx2_legacy_q5_0, ggml_avx2_legacy_q5_1;
ggml_fast_encode ggml_avx2_q2_k, ggml_avx2_q3_k, ggml_avx2_q4_k, ggml_avx2_q5_k, ggml_avx2_q6_k, ggml_avx2_iq4_nl, ggml_avx2_iq4_xs;
ggml_fast_decode ggml_avx2_decode_q8_0, ggml_avx2_decode_q4_0, ggml_avx2_decode_q4_1, ggml_avx2_decode_q5_0, ggml_avx2_decode_q5_1;
ggml_fast_decode ggml_avx2_decode_q2_k, ggml_avx2_decode_q3_k, ggml_avx2_decode_q4_k, ggml_avx2_decode_q5_k, ggml_avx2_decode_q6_k;
ggml_fast_decode ggml_avx2_decode_iq4_nl, ggml_avx2_decode_iq4_xs, ggml_avx2_decode_tq2_0, ggml_avx2_decode_mxfp4;
#endif

#endif
