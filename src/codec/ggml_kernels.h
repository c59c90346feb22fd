/* What the sources of ggml's block types share; the others see ggml_codec.h. A kernel does one block.
 *
 * A quantizer is a search, and which candidate wins depends on the last bit. So every operation is F32, in the order of ggml-org/ggml:src/ggml-quants.c,
 * without contraction (-ffp-contract=off): w * x * l is (w * x) * l, and sums run over ascending elements from 0. Integers become F32 before they
 * meet a float. */
#ifndef REPAQ_GGML_KERNELS_H
#define REPAQ_GGML_KERNELS_H

#include "base/le.h"
#include "codec/ggml_grid.h"
#include "codec/half.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GGML_SUPER 256 /* elements of a block of the K and most I types */

/* One block to be made. */
struct ggml_part {
    const float *x;       /* [elements of the block] */
    const float *weights; /* importance of each element, or NULL */
    float mean_square;    /* of the whole row; set for types of 32 elements with weights only */
    const struct ggml_grids *grids;
};

struct ggml_kernel {
    void (*decode)(const uint8_t *block, float *x);
    bool (*encode)(const struct ggml_part *part, uint8_t *block); /* false where ggml aborts */
    bool needs_weights;                                           /* encode must have weights */
    bool needs_mean_square;
};

extern const struct ggml_kernel ggml_legacy_q1_0, ggml_legacy_q2_0, ggml_legacy_q4_0, ggml_legacy_q4_1, ggml_legacy_q5_0, ggml_legacy_q5_1,
    ggml_legacy_q8_0;
extern const struct ggml_kernel ggml_fp4_mxfp4, ggml_fp4_nvfp4, ggml_ternary_tq1_0, ggml_ternary_tq2_0;
extern const struct ggml_kernel ggml_k_q2, ggml_k_q3, ggml_k_q4, ggml_k_q5, ggml_k_q6;
extern const struct ggml_kernel ggml_iq4_nl, ggml_iq4_xs, ggml_iq2_xxs, ggml_iq2_xs, ggml_iq2_s, ggml_iq3_xxs, ggml_iq3_s, ggml_iq1_s, ggml_iq1_m;

static inline float f16_at(const uint8_t *at)
{
    return half_from_f16(le_load16(at));
}

static inline void put_f16(uint8_t *at, float value)
{
    le_store16(at, half_to_f16(value));
}

/* IQ1_M has no field for its scale: four bits of it are in the top nibble of each of four words, lowest first. */
static inline uint16_t scattered_f16(const uint8_t *words)
{
    return (uint16_t)(words[1] >> 4 | words[3] >> 4 << 4 | words[5] >> 4 << 8 | words[7] >> 4 << 12);
}

static inline int low(uint8_t byte)
{
    return byte & 15;
}

static inline int high(uint8_t byte)
{
    return byte >> 4;
}

static inline int clamp(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

/* Round half to even, for |value| < 2^22; beyond that, and for NaN, what these operations on the bits give. */
static inline int32_t to_nearest(float value)
{
    const float sum = value + 0x1.8p23f;
    uint32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return (int32_t)(bits & 0x7fffffu) - 0x400000;
}

/* What a cast to int32_t gives on x86-64, also where C leaves it open: INT32_MIN for what does not fit, infinities (1 / subnormal) and NaN. */
static inline int32_t to_truncated(float value)
{
    return value >= -0x1p31f && value < 0x1p31f ? (int32_t)value : INT32_MIN;
}

/* The first element whose absolute value is larger than those before it and not smaller than those after; 0 where all are 0 or NaN. */
static inline float extreme(const float *x, size_t count)
{
    float most = 0, value = 0;
    for (size_t i = 0; i < count; i++) {
        const float size = x[i] < 0 ? -x[i] : x[i];
        if (size > most)
            most = size, value = x[i];
    }
    return value;
}

#endif
