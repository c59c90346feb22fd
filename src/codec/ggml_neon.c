#include "codec/ggml_neon.h"

#if defined(__aarch64__)
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

/* --- values ----------------------------------------------------------------------------------------------------------------- */

/* 32 signed codes as floats. */
static inline void floats_of(const int8x16_t codes[2], vec *values)
{
    for (int i = 0; i < 4; i++) {
        const int8x8_t eight = i % 2 == 0 ? vget_low_s8(codes[i / 2]) : vget_high_s8(codes[i / 2]);
        const int16x8_t words = vmovl_s8(eight);
        values[2 * i] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)));
        values[2 * i + 1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(words)));
    }
}

static inline void times(const int8x16_t codes[2], float d, float *x)
{
    vec values[8];
    floats_of(codes, values);
    for (int i = 0; i < 8; i++)
        vst1q_f32(x + 4 * i, vmulq_n_f32(values[i], d));
}

static inline void line(const int8x16_t codes[2], float d, float m, float *x)
{
    vec values[8];
    floats_of(codes, values);
    for (int i = 0; i < 8; i++)
        vst1q_f32(x + 4 * i, vaddq_f32(vmulq_n_f32(values[i], d), splat(m)));
}

/* Codes less their middle. */
static inline void nibbles(const uint8_t *from, int middle, int8x16_t codes[2])
{
    const uint8x16_t pairs = vld1q_u8(from);
    codes[0] = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(pairs, vdupq_n_u8(15))), vdupq_n_s8((int8_t)middle));
    codes[1] = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(pairs, 4)), vdupq_n_s8((int8_t)middle));
}

static inline void fives(const uint8_t *from, int middle, int8x16_t codes[2])
{
    static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    nibbles(from + 4, middle, codes);
    for (int h = 0; h < 2; h++) {
        const uint8x16_t set = vtstq_u8(vcombine_u8(vdup_n_u8(from[2 * h]), vdup_n_u8(from[2 * h + 1])), vld1q_u8(places));
        codes[h] = vaddq_s8(codes[h], vreinterpretq_s8_u8(vandq_u8(set, vdupq_n_u8(16))));
    }
}

void ggml_neon_decode_q8_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 34) {
        const int8x16_t codes[2] = {vreinterpretq_s8_u8(vld1q_u8(blocks + 2)), vreinterpretq_s8_u8(vld1q_u8(blocks + 18))};
        times(codes, f16_at(blocks), x + at);
    }
}

void ggml_neon_decode_q4_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 18) {
        int8x16_t codes[2];
        nibbles(blocks + 2, 8, codes);
        times(codes, f16_at(blocks), x + at);
    }
}

void ggml_neon_decode_q4_1(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 20) {
        int8x16_t codes[2];
        nibbles(blocks + 4, 0, codes);
        line(codes, f16_at(blocks), f16_at(blocks + 2), x + at);
    }
}

void ggml_neon_decode_q5_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 22) {
        int8x16_t codes[2];
        fives(blocks + 2, 16, codes);
        times(codes, f16_at(blocks), x + at);
    }
}

void ggml_neon_decode_q5_1(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 24) {
        int8x16_t codes[2];
        fives(blocks + 4, 0, codes);
        line(codes, f16_at(blocks), f16_at(blocks + 2), x + at);
    }
}
#endif
