/* Codes in NEON; see ggml_codes.h. */
#ifndef REPAQ_GGML_CODES_NEON_H
#define REPAQ_GGML_CODES_NEON_H

#include "codec/ggml_kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

typedef uint8x16x2_t codes; /* halves */

static inline codes load_codes(const uint8_t *from)
{
    return (codes){{vld1q_u8(from), vld1q_u8(from + 16)}};
}

static inline codes bits(codes c, int shift, int mask)
{
    for (int h = 0; h < 2; h++)
        c.val[h] = vandq_u8(vshlq_u8(c.val[h], vdupq_n_s8((int8_t)-shift)), vdupq_n_u8((uint8_t)mask));
    return c;
}

static inline codes joined(codes a, codes b, int shift)
{
    for (int h = 0; h < 2; h++)
        a.val[h] = vorrq_u8(a.val[h], vshlq_u8(b.val[h], vdupq_n_s8((int8_t)shift)));
    return a;
}

static inline codes nibbles(const uint8_t *from)
{
    const uint8x16_t pairs = vld1q_u8(from);
    return (codes){{vandq_u8(pairs, vdupq_n_u8(15)), vshrq_n_u8(pairs, 4)}};
}

static inline codes flags(uint32_t set, int one)
{
    static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    codes c;
    for (int h = 0; h < 2; h++) {
        const uint8x16_t bytes = vcombine_u8(vdup_n_u8((uint8_t)(set >> 16 * h)), vdup_n_u8((uint8_t)(set >> 16 * h >> 8)));
        c.val[h] = vandq_u8(vtstq_u8(bytes, vld1q_u8(places)), vdupq_n_u8((uint8_t)one));
    }
    return c;
}

static inline codes looked_up(codes c, const int8_t *table)
{
    for (int h = 0; h < 2; h++)
        c.val[h] = vqtbl1q_u8(vreinterpretq_u8_s8(vld1q_s8(table)), c.val[h]);
    return c;
}

static inline codes digits_2(uint64_t word)
{
    static const uint8_t which[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    static const int8_t down[16] = {0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6};
    codes c;
    for (int h = 0; h < 2; h++) {
        const uint8x16_t bytes = vqtbl1q_u8(vreinterpretq_u8_u64(vdupq_n_u64(word >> 32 * h)), vld1q_u8(which));
        c.val[h] = vandq_u8(vshlq_u8(bytes, vld1q_s8(down)), vdupq_n_u8(3));
    }
    return c;
}

static inline codes digits_3(uint64_t first, uint64_t second)
{
    codes c;
    for (int h = 0; h < 2; h++) {
        const uint32x4_t words = vmovl_u16(vcreate_u16(h == 0 ? first : second));
        const uint32x4_t low_two = vorrq_u32(vandq_u32(words, vdupq_n_u32(7)), vandq_u32(vshlq_n_u32(words, 5), vdupq_n_u32(7u << 8)));
        const uint32x4_t third = vandq_u32(vshlq_n_u32(words, 10), vdupq_n_u32(7u << 16));
        c.val[h] = vreinterpretq_u8_u32(vorrq_u32(vorrq_u32(low_two, third), vandq_u32(vshlq_n_u32(words, 15), vdupq_n_u32(7u << 24))));
    }
    return c;
}

static inline codes fractions(codes c)
{
    for (int h = 0; h < 2; h++) {
        const uint8x16_t over = vaddq_u8(vcgeq_u8(c.val[h], vdupq_n_u8(86)), vcgeq_u8(c.val[h], vdupq_n_u8(171)));
        c.val[h] = vsubq_u8(vdupq_n_u8(255), over);
    }
    return c;
}

static inline codes plus(codes a, codes b)
{
    for (int h = 0; h < 2; h++)
        a.val[h] = vaddq_u8(a.val[h], b.val[h]);
    return a;
}

static inline codes centred(codes c, int centre)
{
    for (int h = 0; h < 2; h++)
        c.val[h] = vsubq_u8(c.val[h], vdupq_n_u8((uint8_t)centre));
    return c;
}

static inline codes negated(codes c, uint32_t signs)
{
    const codes minus = flags(signs, -1);
    for (int h = 0; h < 2; h++)
        c.val[h] = vsubq_u8(veorq_u8(c.val[h], minus.val[h]), minus.val[h]);
    return c;
}

/* Four signed codes as floats: those of an eighth of the bytes. */
static inline float32x4_t four(const codes *c, int eighth)
{
    const int8x16_t half = vreinterpretq_s8_u8(c->val[eighth / 4]);
    const int16x8_t words = vmovl_s8(eighth % 4 < 2 ? vget_low_s8(half) : vget_high_s8(half));
    return vcvtq_f32_s32(vmovl_s16(eighth % 2 == 0 ? vget_low_s16(words) : vget_high_s16(words)));
}

static inline void times(codes c, const float scale[2], float *x)
{
    for (int e = 0; e < 8; e++)
        vst1q_f32(x + 4 * e, vmulq_n_f32(four(&c, e), scale[e / 4]));
}

static inline void line(codes c, const float scale[2], const float added[2], float *x)
{
    for (int e = 0; e < 8; e++)
        vst1q_f32(x + 4 * e, vaddq_f32(vmulq_n_f32(four(&c, e), scale[e / 4]), vdupq_n_f32(added[e / 4])));
}

static inline float half_at(const uint8_t *from)
{
    return f16_at(from);
}
#endif

#endif
