#include "codec/ggml_neon.h"

#if defined(__aarch64__)
#include "codec/ggml_wide_iq4.h"
#include "codec/ggml_wide_k.h"
#include "codec/ggml_wide_legacy.h"

#include <float.h>
#include <math.h>

#define BLOCK 32

bool ggml_neon_usable(void)
{
    return true;
}

/* --- super-blocks ----------------------------------------------------------------------------------------------------------- */

static const struct ggml_k_search search = {wide_k_offset, wide_k_centred, wide_k_three, wide_k_again_offset, wide_k_again_centred};

uint64_t ggml_neon_q2_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q2_K, &search, row, elements, to);
}

uint64_t ggml_neon_q3_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q3_K, &search, row, elements, to);
}

uint64_t ggml_neon_q4_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q4_K, &search, row, elements, to);
}

uint64_t ggml_neon_q5_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q5_K, &search, row, elements, to);
}

uint64_t ggml_neon_q6_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q6_K, &search, row, elements, to);
}

/* --- codes of a table -------------------------------------------------------------------------------------------------------- */

uint64_t ggml_neon_iq4_nl(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return wide_iq4_nl(row, elements, to);
}

uint64_t ggml_neon_iq4_xs(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return wide_iq4_xs(row, elements, to);
}

/* --- blocks of 32 without weights ------------------------------------------------------------------------------------------- */

struct ends {
    float least, most;
};

static inline struct ends ends_of(const float *x)
{
    vec least = vld1q_f32(x), most = least;
    for (int i = 4; i < BLOCK; i += 4) {
        least = vminq_f32(least, vld1q_f32(x + i));
        most = vmaxq_f32(most, vld1q_f32(x + i));
    }
    return (struct ends){vminvq_f32(least), vmaxvq_f32(most)};
}

/* False where a block needs care: a scale so small or so large that codes may leave their range, or no number. */
static inline bool invert(float d, float *inverse)
{
    *inverse = d != 0 ? 1.0f / d : 0.0f;
    return d == 0 || (fabsf(d) >= FLT_MIN && fabsf(d) <= FLT_MAX);
}

/* Bytes of 32 whole numbers that fit. */
static inline void store_bytes(const ivec *codes, uint8_t *to)
{
    for (int i = 0; i < 8; i += 4) {
        const int16x8_t a = vcombine_s16(vmovn_s32(codes[i]), vmovn_s32(codes[i + 1])), b = vcombine_s16(vmovn_s32(codes[i + 2]), vmovn_s32(codes[i + 3]));
        vst1q_u8(to + 4 * i, vreinterpretq_u8_s8(vcombine_s8(vmovn_s16(a), vmovn_s16(b))));
    }
}

static inline bool block_q8_0(const float *x, uint8_t *to)
{
    const struct ends ends = ends_of(x);
    const float d = (ends.most > -ends.least ? fabsf(ends.most) : fabsf(ends.least)) / 127.0f;
    float inverse;
    ivec codes[8];
    if (!invert(d, &inverse))
        return false;
    for (int i = 0; i < 8; i++)
        codes[i] = vcvtaq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4 * i), inverse)); /* halves away from zero */
    put_f16(to, d);
    store_bytes(codes, to + 2);
    return true;
}

static inline bool block_centred(const struct ggml_legacy_kind *kind, const float *x, uint8_t *to)
{
    const struct ends ends = ends_of(x);
    const float d = (ends.most > -ends.least ? ends.most : ends.least) / (float)-kind->half;
    float inverse;
    ivec codes[8];
    uint8_t bytes[BLOCK];
    if (ends.most == -ends.least || !invert(d, &inverse)) /* the first of both decides */
        return false;
    for (int i = 0; i < 8; i++) {
        const vec value = vaddq_f32(vmulq_n_f32(vld1q_f32(x + 4 * i), inverse), splat((float)kind->half + 0.5f));
        codes[i] = vminq_s32(vcvtq_s32_f32(value), vdupq_n_s32(2 * kind->half - 1));
    }
    store_bytes(codes, bytes);
    ggml_legacy_store(kind, d, 0, bytes, to);
    return true;
}

static inline bool block_offset(const struct ggml_legacy_kind *kind, const float *x, uint8_t *to)
{
    const struct ends ends = ends_of(x);
    const float d = (ends.most - ends.least) / (float)(2 * kind->half - 1);
    float inverse;
    ivec codes[8];
    uint8_t bytes[BLOCK];
    if (ends.least == 0 || !invert(d, &inverse)) /* the first zero's sign is stored */
        return false;
    for (int i = 0; i < 8; i++) {
        const vec from = vsubq_f32(vld1q_f32(x + 4 * i), splat(ends.least));
        codes[i] = vcvtq_s32_f32(vaddq_f32(vmulq_n_f32(from, inverse), splat(0.5f)));
    }
    store_bytes(codes, bytes);
    ggml_legacy_store(kind, d, ends.least, bytes, to);
    return true;
}

uint64_t ggml_neon_q8_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, to += 34)
        if (!block_q8_0(row->x + at, to))
            ggml_legacy_q8_0.encode(&(const struct ggml_part){.x = row->x + at}, to);
    return elements;
}

static inline uint64_t legacy(const struct ggml_legacy_kind *kind, const struct ggml_kernel *plain, const struct ggml_part *row, uint64_t elements,
                              uint8_t *to)
{
    if (row->weights != NULL)
        return wide_legacy(kind, row, elements, to);
    for (uint64_t at = 0; at < elements; at += BLOCK, to += kind->bytes)
        if (!(kind->offset ? block_offset : block_centred)(kind, row->x + at, to))
            plain->encode(&(const struct ggml_part){.x = row->x + at}, to);
    return elements;
}

uint64_t ggml_neon_q4_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return legacy(&ggml_legacy_kind_q4_0, &ggml_legacy_q4_0, row, elements, to);
}

uint64_t ggml_neon_q4_1(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return legacy(&ggml_legacy_kind_q4_1, &ggml_legacy_q4_1, row, elements, to);
}

uint64_t ggml_neon_q5_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return legacy(&ggml_legacy_kind_q5_0, &ggml_legacy_q5_0, row, elements, to);
}

uint64_t ggml_neon_q5_1(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return legacy(&ggml_legacy_kind_q5_1, &ggml_legacy_q5_1, row, elements, to);
}
#endif
