/* Values of blocks, 32 codes at a time; layouts stand beside the plain code of each type. Each value is made by the operations of the plain code, in their
 * order: there are no sums here. */
#include "codec/ggml_neon.h"

#if defined(__aarch64__)
#include "codec/ggml_fp4.h"
#include "codec/ggml_iq4.h"
#include "codec/ggml_k.h"

#include <arm_neon.h>

#define BLOCK 32

/* 32 codes. */
struct codes {
    uint8x16_t half[2];
};

static inline struct codes load_32(const uint8_t *from)
{
    return (struct codes){{vld1q_u8(from), vld1q_u8(from + 16)}};
}

static inline struct codes bits(struct codes bytes, int shift, int mask)
{
    for (int h = 0; h < 2; h++)
        bytes.half[h] = vandq_u8(vshlq_u8(bytes.half[h], vdupq_n_s8((int8_t)-shift)), vdupq_n_u8((uint8_t)mask));
    return bytes;
}

/* a | b << shift */
static inline struct codes joined(struct codes a, struct codes b, int shift)
{
    for (int h = 0; h < 2; h++)
        a.half[h] = vorrq_u8(a.half[h], vshlq_u8(b.half[h], vdupq_n_s8((int8_t)shift)));
    return a;
}

/* Nibbles of 16 bytes: the low ones, then the high ones. */
static inline struct codes nibbles(const uint8_t *from)
{
    const uint8x16_t pairs = vld1q_u8(from);
    return (struct codes){{vandq_u8(pairs, vdupq_n_u8(15)), vshrq_n_u8(pairs, 4)}};
}

static inline struct codes fives(const uint8_t *from)
{
    static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    struct codes codes = nibbles(from + 4);
    for (int h = 0; h < 2; h++) {
        const uint8x16_t set = vtstq_u8(vcombine_u8(vdup_n_u8(from[2 * h]), vdup_n_u8(from[2 * h + 1])), vld1q_u8(places));
        codes.half[h] = vaddq_u8(codes.half[h], vandq_u8(set, vdupq_n_u8(16)));
    }
    return codes;
}

static inline struct codes centred(struct codes codes, int centre)
{
    for (int h = 0; h < 2; h++)
        codes.half[h] = vsubq_u8(codes.half[h], vdupq_n_u8((uint8_t)centre));
    return codes;
}

static inline struct codes looked_up(struct codes codes, const int8_t *table)
{
    for (int h = 0; h < 2; h++)
        codes.half[h] = vqtbl1q_u8(vreinterpretq_u8_s8(vld1q_s8(table)), codes.half[h]);
    return codes;
}

/* Four signed codes as floats: those of an eighth of the bytes. */
static inline float32x4_t four(const struct codes *codes, int eighth)
{
    const int8x16_t half = vreinterpretq_s8_u8(codes->half[eighth / 4]);
    const int16x8_t words = vmovl_s8(eighth % 4 < 2 ? vget_low_s8(half) : vget_high_s8(half));
    return vcvtq_f32_s32(vmovl_s16(eighth % 2 == 0 ? vget_low_s16(words) : vget_high_s16(words)));
}

/* code * scale; one scale for each half of the codes. */
static inline void times(struct codes codes, const float scale[2], float *x)
{
    for (int e = 0; e < 8; e++)
        vst1q_f32(x + 4 * e, vmulq_n_f32(four(&codes, e), scale[e / 4]));
}

static inline void times_one(struct codes codes, float scale, float *x)
{
    times(codes, (const float[2]){scale, scale}, x);
}

/* code * scale + plus: with minus numbers for a subtraction, which is the same. */
static inline void line(struct codes codes, const float scale[2], const float plus[2], float *x)
{
    for (int e = 0; e < 8; e++)
        vst1q_f32(x + 4 * e, vaddq_f32(vmulq_n_f32(four(&codes, e), scale[e / 4]), vdupq_n_f32(plus[e / 4])));
}

static inline void line_one(struct codes codes, float scale, float plus, float *x)
{
    line(codes, (const float[2]){scale, scale}, (const float[2]){plus, plus}, x);
}

/* --- blocks of 32 ----------------------------------------------------------------------------------------------------------- */

void ggml_neon_decode_q8_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 34)
        times_one(load_32(blocks + 2), f16_at(blocks), x + at);
}

void ggml_neon_decode_q4_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 18)
        times_one(centred(nibbles(blocks + 2), 8), f16_at(blocks), x + at);
}

void ggml_neon_decode_q4_1(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 20)
        line_one(nibbles(blocks + 4), f16_at(blocks), f16_at(blocks + 2), x + at);
}

void ggml_neon_decode_q5_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 22)
        times_one(centred(fives(blocks + 2), 16), f16_at(blocks), x + at);
}

void ggml_neon_decode_q5_1(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 24)
        line_one(fives(blocks + 4), f16_at(blocks), f16_at(blocks + 2), x + at);
}

void ggml_neon_decode_iq4_nl(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 18)
        times_one(looked_up(nibbles(blocks + 2), ggml_iq4_table), f16_at(blocks), x + at);
}

void ggml_neon_decode_mxfp4(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 17)
        times_one(looked_up(nibbles(blocks + 1), ggml_fp4_doubled), ggml_fp4_half_exponent(blocks[0]), x + at);
}

/* --- super-blocks ----------------------------------------------------------------------------------------------------------- */

void ggml_neon_decode_iq4_xs(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 136) {
        const float d = f16_at(blocks);
        for (int b = 0; b < 8; b++)
            times_one(looked_up(nibbles(blocks + 8 + 16 * b), ggml_iq4_table), d * (float)(ggml_iq4_scale(blocks, b) - 32), x + at + 32 * b);
    }
}

void ggml_neon_decode_tq2_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 66)
        for (int t = 0; t < 8; t++)
            times_one(centred(bits(load_32(blocks + t / 4 * 32), t % 4 * 2, 3), 1), f16_at(blocks + 64), x + at + 32 * t);
}

void ggml_neon_decode_q2_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 84) {
        const float d = f16_at(blocks + 80), minus = -f16_at(blocks + 82);
        for (int t = 0; t < 8; t++) {
            const uint8_t *s = blocks + 2 * t;
            const float scale[2] = {d * (float)low(s[0]), d * (float)low(s[1])}, plus[2] = {minus * (float)high(s[0]), minus * (float)high(s[1])};
            line(bits(load_32(blocks + 16 + t / 4 * 32), t % 4 * 2, 3), scale, plus, x + at + 32 * t);
        }
    }
}

void ggml_neon_decode_q3_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 110) {
        const float d = f16_at(blocks + 108);
        uint8_t scales[16];
        ggml_k_sixteen(blocks + 96, scales);
        for (int t = 0; t < 8; t++) {
            const float scale[2] = {d * (float)(scales[2 * t] - 32), d * (float)(scales[2 * t + 1] - 32)};
            const struct codes lower = bits(load_32(blocks + 32 + t / 4 * 32), t % 4 * 2, 3);
            times(centred(joined(lower, bits(load_32(blocks), t, 1), 2), 4), scale, x + at + 32 * t);
        }
    }
}

static inline void decode_sixes(const uint8_t *block, const uint8_t *fifths, const uint8_t *nibble, float *x)
{
    const float d = f16_at(block), minus = -f16_at(block + 2);
    uint8_t scales[8], mins[8];
    ggml_k_sixes(block + 4, scales, mins);
    for (int t = 0; t < 8; t++) {
        struct codes codes = bits(load_32(nibble + t / 2 * 32), t % 2 * 4, 15);
        if (fifths != NULL)
            codes = joined(codes, bits(load_32(fifths), t, 1), 4);
        line_one(codes, d * (float)scales[t], minus * (float)mins[t], x + 32 * t);
    }
}

void ggml_neon_decode_q4_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 144)
        decode_sixes(blocks, NULL, blocks + 16, x + at);
}

void ggml_neon_decode_q5_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 176)
        decode_sixes(blocks, blocks + 16, blocks + 48, x + at);
}

void ggml_neon_decode_q6_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 210) {
        const float d = f16_at(blocks + 208);
        for (int t = 0; t < 8; t++) {
            const int8_t *s = (const int8_t *)blocks + 192 + 2 * t;
            const float scale[2] = {d * (float)s[0], d * (float)s[1]};
            const struct codes lower = bits(load_32(blocks + t / 4 * 64 + t % 2 * 32), t % 4 / 2 * 4, 15);
            times(centred(joined(lower, bits(load_32(blocks + 128 + t / 4 * 32), t % 4 * 2, 3), 4), 32), scale, x + at + 32 * t);
        }
    }
}
#endif
