/* 4-bit codes of a table of 16 values. Read in ggml-org/ggml:src/ggml-common.h and src/ggml-quants.c (quantize_row_iq4_nl_impl with ntry 7,
 * as quantize_iq4_nl and quantize_iq4_xs call it).
 *
 *     IQ4_NL   d | 16 bytes of nibbles, elements j and j + 16                        d * table[code]
 *     IQ4_XS   d | scales_h u16 | scales_l[4] | 8 x 16 bytes of nibbles              (d * (scale - 32)) * table[code]
 *
 *     scale of the sub-block b of 32: nibble b % 2 of scales_l[b / 2], and bits 2 b of scales_h above it */
#include "codec/ggml_iq4.h"
#include "codec/ggml_search.h"

#include <math.h>

#define SUB 32

const int8_t ggml_iq4_table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void decode_nibbles(const uint8_t *from, float d, float *x)
{
    for (int j = 0; j < SUB / 2; j++)
        x[j] = d * (float)ggml_iq4_table[low(from[j])], x[j + SUB / 2] = d * (float)ggml_iq4_table[high(from[j])];
}

static void decode_nl(const uint8_t *block, float *x)
{
    decode_nibbles(block + 2, f16_at(block), x);
}

int ggml_iq4_scale(const uint8_t *block, int b)
{
    return (block[4 + b / 2] >> 4 * (b % 2) & 15) | (int)((unsigned)le_load16(block + 2) >> 2 * b & 3) << 4;
}

static void decode_xs(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int b = 0; b < GGML_SUPER / SUB; b++)
        decode_nibbles(block + 8 + 16 * b, d * (float)(ggml_iq4_scale(block, b) - 32), x + SUB * b);
}

/* The code of the nearest value; of two that are equally near, the upper one. */
static uint8_t nearest_code(float x)
{
    if (x <= (float)ggml_iq4_table[0])
        return 0;
    if (x >= (float)ggml_iq4_table[15])
        return 15;
    uint8_t above = 1;
    while (above < 15 && !(x < (float)ggml_iq4_table[above]))
        above++;
    return x - (float)ggml_iq4_table[above - 1] < (float)ggml_iq4_table[above] - x ? above - 1 : above;
}

static void nearest_nibbles(const float *x, float inverse, uint8_t *to)
{
    for (int j = 0; j < SUB / 2; j++)
        to[j] = (uint8_t)(nearest_code(inverse * x[j]) | nearest_code(inverse * x[j + SUB / 2]) << 4);
}

struct sums {
    float qx, q2;
};

static struct sums table_sums(const float *x, const float *weights, float inverse)
{
    struct sums sum = {0, 0};
    for (int j = 0; j < SUB; j++) {
        const float q = (float)ggml_iq4_table[nearest_code(inverse * x[j])];
        sum.qx += weights[j] * q * x[j];
        sum.q2 += weights[j] * q * q;
    }
    return sum;
}

/* The scale of 32 elements: the extreme one at an end of the table and at 15 places around it. */
static float find_scale(const float *x, const float *weights)
{
    const float top = extreme(x, SUB), end = (float)ggml_iq4_table[0];
    if (fabsf(top) < GGML_SEARCH_TINY)
        return 0;
    struct sums sum = table_sums(x, weights, 1 / (-top / end));
    float scale = sum.q2 > 0 ? sum.qx / sum.q2 : 0, best = scale * sum.qx;
    for (int i = -7; i <= 7; i++) {
        sum = table_sums(x, weights, ((float)i + end) / top);
        if (sum.q2 > 0 && sum.qx * sum.qx > best * sum.q2)
            scale = sum.qx / sum.q2, best = scale * sum.qx;
    }
    return scale;
}

/* find_scale for each of count / 32 sub-blocks. */
static void find_scales(const struct ggml_part *part, int count, float *scales)
{
    float mean_square = 0;
    for (int j = 0; j < count; j++)
        mean_square += part->x[j] * part->x[j];
    mean_square *= 2.0f / (float)count;
    for (int b = 0; b < count / SUB; b++) {
        float weights[SUB];
        const float *x = part->x + SUB * b;
        for (int j = 0; j < SUB; j++)
            weights[j] = part->weights != NULL ? part->weights[SUB * b + j] * sqrtf(mean_square + x[j] * x[j]) : x[j] * x[j];
        scales[b] = find_scale(x, weights);
    }
}

void ggml_iq4_store_nl(const float *x, float scale, ggml_iq4_nibbles *nibbles, uint8_t *block)
{
    put_f16(block, scale);
    nibbles(x, scale != 0 ? 1 / scale : 0, block + 2);
}

void ggml_iq4_store_xs(const float *x, const float *scales, ggml_iq4_nibbles *nibbles, uint8_t *block)
{
    const float d = -extreme(scales, GGML_SUPER / SUB) / 32.0f, inverse = d != 0 ? 1 / d : 0;
    put_f16(block, d);
    memset(block + 2, 0, 6);
    unsigned tops = 0;
    for (int b = 0; b < GGML_SUPER / SUB; b++) {
        const int code = clamp(to_nearest(inverse * scales[b]), -32, 31), scale = code + 32;
        const float step = d * (float)code;
        nibbles(x + SUB * b, step != 0 ? 1 / step : 0, block + 8 + 16 * b);
        block[4 + b / 2] |= (uint8_t)((scale & 15) << 4 * (b % 2));
        tops |= (unsigned)scale >> 4 << 2 * b;
    }
    le_store16(block + 2, (uint16_t)tops);
}

static bool encode_nl(const struct ggml_part *part, uint8_t *block)
{
    float scale;
    find_scales(part, SUB, &scale);
    ggml_iq4_store_nl(part->x, scale, nearest_nibbles, block);
    return true;
}

static bool encode_xs(const struct ggml_part *part, uint8_t *block)
{
    float scales[GGML_SUPER / SUB];
    find_scales(part, GGML_SUPER, scales);
    ggml_iq4_store_xs(part->x, scales, nearest_nibbles, block);
    return true;
}

const struct ggml_kernel ggml_iq4_nl = {decode_nl, encode_nl, false, false}, ggml_iq4_xs = {decode_xs, encode_xs, false, false};
