/* Values of Q2_K to Q6_K, 32 codes at a time (ggml_codes.h). Layouts stand in ggml_k.c. */
#ifndef REPAQ_GGML_WIDE_DECODE_K_H
#define REPAQ_GGML_WIDE_DECODE_K_H

#include "codec/ggml_codes.h"
#include "codec/ggml_k.h"

#if defined(LANES)
WIDE static inline void decode_q2_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 84) {
        const float d = half_at(blocks + 80), minus = -half_at(blocks + 82);
        for (int t = 0; t < 8; t++) {
            const uint8_t *s = blocks + 2 * t;
            const float scale[2] = {d * (float)low(s[0]), d * (float)low(s[1])}, plus[2] = {minus * (float)high(s[0]), minus * (float)high(s[1])};
            line(bits(load_codes(blocks + 16 + t / 4 * 32), t % 4 * 2, 3), scale, plus, x + at + 32 * t);
        }
    }
}

WIDE static inline void decode_q3_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 110) {
        const float d = half_at(blocks + 108);
        uint8_t scales[16];
        ggml_k_sixteen(blocks + 96, scales);
        for (int t = 0; t < 8; t++) {
            const float scale[2] = {d * (float)(scales[2 * t] - 32), d * (float)(scales[2 * t + 1] - 32)};
            const codes lower = bits(load_codes(blocks + 32 + t / 4 * 32), t % 4 * 2, 3);
            times(centred(joined(lower, bits(load_codes(blocks), t, 1), 2), 4), scale, x + at + 32 * t);
        }
    }
}

WIDE static inline void decode_sixes(const uint8_t *block, const uint8_t *fifths, const uint8_t *nibble, float *x)
{
    const float d = half_at(block), minus = -half_at(block + 2);
    uint8_t scales[8], mins[8];
    ggml_k_sixes(block + 4, scales, mins);
    for (int t = 0; t < 8; t++) {
        codes c = bits(load_codes(nibble + t / 2 * 32), t % 2 * 4, 15);
        if (fifths != NULL)
            c = joined(c, bits(load_codes(fifths), t, 1), 4);
        line_one(c, d * (float)scales[t], minus * (float)mins[t], x + 32 * t);
    }
}

WIDE static inline void decode_q4_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 144)
        decode_sixes(blocks, NULL, blocks + 16, x + at);
}

WIDE static inline void decode_q5_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 176)
        decode_sixes(blocks, blocks + 16, blocks + 48, x + at);
}

WIDE static inline void decode_q6_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 210) {
        const float d = half_at(blocks + 208);
        for (int t = 0; t < 8; t++) {
            const int8_t *s = (const int8_t *)blocks + 192 + 2 * t;
            const float scale[2] = {d * (float)s[0], d * (float)s[1]};
            const codes lower = bits(load_codes(blocks + t / 4 * 64 + t % 2 * 32), t % 4 / 2 * 4, 15);
            times(centred(joined(lower, bits(load_codes(blocks + 128 + t / 4 * 32), t % 4 * 2, 3), 4), 32), scale, x + at + 32 * t);
        }
    }
}
#endif

#endif
