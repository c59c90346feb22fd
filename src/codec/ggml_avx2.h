/* AVX2 kernels of quantizers, beside the plain ones: the same bits, several times as fast. Where sums decide, a lane is a sub-block (or a block), so
 * that each lane adds what the plain code adds, in its order; what is the same in any order (extremes, rounding, packing) goes across a block. */
#ifndef REPAQ_GGML_AVX2_H
#define REPAQ_GGML_AVX2_H

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

extern const struct ggml_k_search ggml_avx2_k;

/* As many whole blocks of a row as they can (all without weights, whole eights of blocks with them); returns the elements done. */
uint64_t ggml_avx2_legacy_q8_0(const struct ggml_part *row, uint64_t elements, uint8_t *to);
uint64_t ggml_avx2_legacy_q4_0(const struct ggml_part *row, uint64_t elements, uint8_t *to);
uint64_t ggml_avx2_legacy_q4_1(const struct ggml_part *row, uint64_t elements, uint8_t *to);
uint64_t ggml_avx2_legacy_q5_0(const struct ggml_part *row, uint64_t elements, uint8_t *to);
uint64_t ggml_avx2_legacy_q5_1(const struct ggml_part *row, uint64_t elements, uint8_t *to);
uint64_t ggml_avx2_iq4_nl(const struct ggml_part *row, uint64_t elements, uint8_t *to); /* whole eights in any case */
uint64_t ggml_avx2_iq4_xs(const struct ggml_part *row, uint64_t elements, uint8_t *to);
#endif

#endif
