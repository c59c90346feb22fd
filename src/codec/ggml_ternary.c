/* Ternary blocks of 256: (code - 1) * d with d F16, the largest value. Read in ggml-org/ggml:src/ggml-common.h and src/ggml-quants.c.
 *
 *     TQ2_0   twos[64] | d       byte 32 h + m, bits 2 n: element 128 h + 32 n + m
 *     TQ1_0   48 bytes | 4 bytes | d     a byte is a fraction in base 3: 256 times 0.t0 t1 t2 t3 t4, rounded up; digit n is what times 3^n * 3 carries over
 *                bytes 0..31: digit n of byte m      is element 32 n + m
 *                bytes 32..47: digit n of byte 32 + m is element 160 + 16 n + m
 *                bytes 48..51: digit n (of 4) of byte 48 + m is element 240 + 4 n + m */
#include "codec/ggml_kernels.h"

#include <math.h>

/* Runs of bytes whose digits are `count` elements apart. */
static const struct {
    uint8_t first, count, digits, element;
} runs[] = {{0, 32, 5, 0}, {32, 16, 5, 160}, {48, 4, 4, 240}};

static void decode_tq1(const uint8_t *block, float *x)
{
    const float d = f16_at(block + 52);
    for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++)
        for (int m = 0; m < runs[r].count; m++) {
            uint8_t fraction = block[runs[r].first + m];
            for (int n = 0; n < runs[r].digits; n++, fraction = (uint8_t)(fraction * 3))
                x[runs[r].element + n * runs[r].count + m] = (float)((fraction * 3 >> 8) - 1) * d;
        }
}

static void decode_tq2(const uint8_t *block, float *x)
{
    const float d = f16_at(block + 64);
    for (int e = 0; e < GGML_SUPER; e++)
        x[e] = (float)((block[e / 128 * 32 + e % 32] >> e % 128 / 32 * 2 & 3) - 1) * d;
}

/* -1, 0, 1 as 0, 1, 2, halves away from zero. No size is above 1 but where 1 / d is infinite: infinities and NaN are code 1, as a cast on x86-64 has it. */
static void trits(const float *x, float *d, uint8_t *codes)
{
    *d = fabsf(extreme(x, GGML_SUPER));
    const float inverse = *d != 0 ? 1.0f / *d : 0.0f;
    for (int e = 0; e < GGML_SUPER; e++) {
        const float value = x[e] * inverse;
        codes[e] = (uint8_t)(1 + ((value >= 0.5f) & (value < 1.5f)) - ((value <= -0.5f) & (value > -1.5f)));
    }
}

static bool encode_tq1(const struct ggml_part *part, uint8_t *block)
{
    uint8_t codes[GGML_SUPER];
    float d;
    trits(part->x, &d, codes);
    put_f16(block + 52, d);
    for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++)
        for (int m = 0; m < runs[r].count; m++) {
            unsigned value = 0;
            for (int n = 0; n < 5; n++)
                value = value * 3 + (n < runs[r].digits ? codes[runs[r].element + n * runs[r].count + m] : 0);
            block[runs[r].first + m] = (uint8_t)((value * 256 + 242) / 243);
        }
    return true;
}

static bool encode_tq2(const struct ggml_part *part, uint8_t *block)
{
    uint8_t codes[GGML_SUPER];
    float d;
    trits(part->x, &d, codes);
    put_f16(block + 64, d);
    memset(block, 0, 64);
    for (int e = 0; e < GGML_SUPER; e++)
        block[e / 128 * 32 + e % 32] |= (uint8_t)((codes[e] & 3) << e % 128 / 32 * 2);
    return true;
}

const struct ggml_kernel ggml_ternary_tq1_0 = {decode_tq1, encode_tq1, false, false}, ggml_ternary_tq2_0 = {decode_tq2, encode_tq2, false, false};
