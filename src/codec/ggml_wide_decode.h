/* Values of blocks, 32 codes at a time (ggml_codes.h). Layouts stand beside the plain code of each type; those of the K types are in ggml_wide_decode_k.h,
 * those of IQ1 to IQ3 in ggml_wide_points.h. */
#ifndef REPAQ_GGML_WIDE_DECODE_H
#define REPAQ_GGML_WIDE_DECODE_H

#include "codec/ggml_codes.h"
#include "codec/ggml_fp4.h"
#include "codec/ggml_iq4.h"

#if defined(LANES)
#define BLOCK 32

WIDE static inline codes fives(const uint8_t *from)
{
    return joined(nibbles(from + 4), flags(le_load32(from), 1), 4);
}

/* --- blocks of 32 ----------------------------------------------------------------------------------------------------------- */

WIDE static inline void decode_q8_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 34)
        times_one(load_codes(blocks + 2), half_at(blocks), x + at);
}

WIDE static inline void decode_q4_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 18)
        times_one(centred(nibbles(blocks + 2), 8), half_at(blocks), x + at);
}

WIDE static inline void decode_q4_1(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 20)
        line_one(nibbles(blocks + 4), half_at(blocks), half_at(blocks + 2), x + at);
}

WIDE static inline void decode_q5_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 22)
        times_one(centred(fives(blocks + 2), 16), half_at(blocks), x + at);
}

WIDE static inline void decode_q5_1(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 24)
        line_one(fives(blocks + 4), half_at(blocks), half_at(blocks + 2), x + at);
}

WIDE static inline void decode_iq4_nl(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 18)
        times_one(looked_up(nibbles(blocks + 2), ggml_iq4_table), half_at(blocks), x + at);
}

WIDE static inline void decode_mxfp4(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, blocks += 17)
        times_one(looked_up(nibbles(blocks + 1), ggml_fp4_doubled), ggml_fp4_half_exponent(blocks[0]), x + at);
}

WIDE static inline void decode_q1_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += 128, blocks += 18)
        for (int t = 0; t < 4; t++)
            times_one(centred(flags(le_load32(blocks + 2 + 4 * t), 2), 1), half_at(blocks), x + at + 32 * t);
}

WIDE static inline void decode_q2_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += 64, blocks += 18)
        for (int h = 0; h < 2; h++)
            times_one(centred(digits_2(le_load64(blocks + 2 + 8 * h)), 1), half_at(blocks), x + at + 32 * h);
}

/* --- super-blocks ----------------------------------------------------------------------------------------------------------- */

WIDE static inline void decode_iq4_xs(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 136) {
        const float d = half_at(blocks);
        for (int b = 0; b < 8; b++)
            times_one(looked_up(nibbles(blocks + 8 + 16 * b), ggml_iq4_table), d * (float)(ggml_iq4_scale(blocks, b) - 32), x + at + 32 * b);
    }
}

WIDE static inline void decode_tq2_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 66)
        for (int t = 0; t < 8; t++)
            times_one(centred(bits(load_codes(blocks + t / 4 * 32), t % 4 * 2, 3), 1), half_at(blocks + 64), x + at + 32 * t);
}

/* Fractions in base 3, of which a byte has five or four; a step to the next digit is a product in a byte. */
WIDE static inline void decode_tq1_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 54) {
        const float d = half_at(blocks + 52);
        uint8_t last[96]; /* elements 160 to 255 */
        codes c = load_codes(blocks);
        for (int n = 0; n < 5; n++, c = plus(plus(c, c), c))
            times_one(fractions(c), d, x + at + 32 * n);
        for (int m = 0, power = 1; m < 5; m++, power *= 3)
            for (int i = 0; i < 16; i++)
                last[16 * m + i] = (uint8_t)(blocks[32 + i] * power);
        for (int m = 0, power = 1; m < 4; m++, power *= 3)
            for (int i = 0; i < 4; i++)
                last[80 + 4 * m + i] = (uint8_t)(blocks[48 + i] * power);
        for (int t = 0; t < 3; t++)
            times_one(fractions(load_codes(last + 32 * t)), d, x + at + 160 + 32 * t);
    }
}
#endif

#endif
