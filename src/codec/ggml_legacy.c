/* Blocks with one scale: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q1_0, Q2_0. All fields are little-endian; d and m are F16. Read in ggml-org/ggml:src/ggml-common.h
 * (block_*) and src/ggml-quants.c (quantize_row_*_ref, quantize_row_*_impl).
 *
 *     Q8_0   d | 32 signed bytes                                  code * d
 *     Q4_0   d | 16 bytes of nibbles                              (code - 8) * d
 *     Q4_1   d | m | 16 bytes of nibbles                          code * d + m
 *     Q5_0   d | u32 of fifth bits | 16 bytes of nibbles          (code - 16) * d
 *     Q5_1   d | m | u32 of fifth bits | 16 bytes of nibbles      code * d + m
 *     Q1_0   d | 16 bytes, bit j % 8 of byte j / 8                1: d, 0: -d
 *     Q2_0   d | 16 bytes, bits 2 (j % 4) of byte j / 4           (code - 1) * d
 *
 *     nibbles, byte j:    7  6  5  4 | 3  2  1  0        bit j of the u32: the fifth bit of element j
 *                        element j+16 | element j */
#include "codec/ggml_legacy.h"

#include <float.h>
#include <math.h>

#define BLOCK 32

static float inverse(float d)
{
    return d != 0 ? 1.0f / d : 0.0f;
}

/* --- codes in bytes --------------------------------------------------------------------------------------------------------- */

static void put_nibbles(const uint8_t *codes, uint8_t *to)
{
    for (int j = 0; j < BLOCK / 2; j++)
        to[j] = (uint8_t)((codes[j] & 15) | codes[j + BLOCK / 2] << 4);
}

static void get_nibbles(const uint8_t *from, uint8_t *codes)
{
    for (int j = 0; j < BLOCK / 2; j++)
        codes[j] = (uint8_t)low(from[j]), codes[j + BLOCK / 2] = (uint8_t)high(from[j]);
}

/* The u32 of fifth bits and the nibbles after it. */
static void put_fives(const uint8_t *codes, uint8_t *to)
{
    uint32_t fifth = 0;
    for (int j = 0; j < BLOCK; j++)
        fifth |= (uint32_t)(codes[j] >> 4 & 1) << j;
    le_store32(to, fifth);
    put_nibbles(codes, to + 4);
}

static void get_fives(const uint8_t *from, uint8_t *codes)
{
    const uint32_t fifth = le_load32(from);
    get_nibbles(from + 4, codes);
    for (int j = 0; j < BLOCK; j++)
        codes[j] |= (uint8_t)((fifth >> j & 1) << 4);
}

/* --- values ----------------------------------------------------------------------------------------------------------------- */

static void decode_centred(const uint8_t *codes, int centre, float d, float *x)
{
    for (int j = 0; j < BLOCK; j++)
        x[j] = (float)(codes[j] - centre) * d;
}

static void decode_offset(const uint8_t *codes, float d, float m, float *x)
{
    for (int j = 0; j < BLOCK; j++)
        x[j] = (float)codes[j] * d + m;
}

static void decode_q4_0(const uint8_t *block, float *x)
{
    uint8_t codes[BLOCK];
    get_nibbles(block + 2, codes);
    decode_centred(codes, 8, f16_at(block), x);
}

static void decode_q4_1(const uint8_t *block, float *x)
{
    uint8_t codes[BLOCK];
    get_nibbles(block + 4, codes);
    decode_offset(codes, f16_at(block), f16_at(block + 2), x);
}

static void decode_q5_0(const uint8_t *block, float *x)
{
    uint8_t codes[BLOCK];
    get_fives(block + 2, codes);
    decode_centred(codes, 16, f16_at(block), x);
}

static void decode_q5_1(const uint8_t *block, float *x)
{
    uint8_t codes[BLOCK];
    get_fives(block + 4, codes);
    decode_offset(codes, f16_at(block), f16_at(block + 2), x);
}

static void decode_q8_0(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int j = 0; j < BLOCK; j++)
        x[j] = (float)(int8_t)block[2 + j] * d;
}

static void decode_q1_0(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int j = 0; j < 128; j++)
        x[j] = block[2 + j / 8] >> j % 8 & 1 ? d : -d;
}

static void decode_q2_0(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int j = 0; j < 64; j++)
        x[j] = (float)((block[2 + j / 4] >> 2 * (j % 4) & 3) - 1) * d;
}

/* --- codes of values -------------------------------------------------------------------------------------------------------- */

/* Weights of a block: the importance of a column, and more where the value is large within the row. */
static void weigh(const struct ggml_part *part, float *weights)
{
    for (int j = 0; j < BLOCK; j++)
        weights[j] = part->weights[j] * sqrtf(part->mean_square + part->x[j] * part->x[j]);
}

#define WEIGHTED(limit) \
    { \
        .count = BLOCK, .most = (limit), .first = -0.9f, .step = 0.05f, .steps = 36 \
    }

const struct ggml_legacy_kind ggml_legacy_kind_q4_0 = {18, 8, false, false, {0}}, ggml_legacy_kind_q4_1 = {20, 8, true, false, WEIGHTED(15)},
                              ggml_legacy_kind_q5_0 = {22, 16, false, true, {0}}, ggml_legacy_kind_q5_1 = {24, 16, true, true, WEIGHTED(31)};

void ggml_legacy_store(const struct ggml_legacy_kind *kind, float d, float least, const uint8_t *codes, uint8_t *block)
{
    uint8_t *after = block + (kind->offset ? 4 : 2);
    put_f16(block, d);
    if (kind->offset)
        put_f16(block + 2, least);
    if (kind->five)
        put_fives(codes, after);
    else
        put_nibbles(codes, after);
}

/* The extreme value becomes -half exactly; the scale that codes are made with is not the rounded one that is stored. */
static bool encode_centred(const struct ggml_legacy_kind *kind, const struct ggml_part *part, uint8_t *block)
{
    uint8_t codes[BLOCK];
    float d;
    if (part->weights != NULL) {
        float weights[BLOCK];
        weigh(part, weights);
        d = ggml_search_centred(BLOCK, kind->half, part->x, weights, codes);
    } else {
        d = extreme(part->x, BLOCK) / (float)-kind->half;
        const float id = inverse(d), middle = (float)kind->half + 0.5f;
        for (int j = 0; j < BLOCK; j++) {
            const int code = (int8_t)to_truncated(part->x[j] * id + middle);
            codes[j] = (uint8_t)(code < 2 * kind->half - 1 ? code : 2 * kind->half - 1);
        }
    }
    ggml_legacy_store(kind, d, 0, codes, block);
    return true;
}

static bool encode_offset(const struct ggml_legacy_kind *kind, const struct ggml_part *part, uint8_t *block)
{
    uint8_t codes[BLOCK];
    float d, least = FLT_MAX;
    if (part->weights != NULL) {
        float weights[BLOCK];
        weigh(part, weights);
        d = ggml_search_affine(&kind->search, part->x, weights, codes, &least);
        least = -least;
    } else {
        float largest = -FLT_MAX;
        for (int j = 0; j < BLOCK; j++) {
            least = part->x[j] < least ? part->x[j] : least;
            largest = part->x[j] > largest ? part->x[j] : largest;
        }
        d = (largest - least) / (float)(2 * kind->half - 1);
        const float id = inverse(d);
        for (int j = 0; j < BLOCK; j++)
            codes[j] = (uint8_t)to_truncated((part->x[j] - least) * id + 0.5f);
    }
    ggml_legacy_store(kind, d, least, codes, block);
    return true;
}

static bool encode_q4_0(const struct ggml_part *part, uint8_t *block)
{
    return encode_centred(&ggml_legacy_kind_q4_0, part, block);
}

static bool encode_q4_1(const struct ggml_part *part, uint8_t *block)
{
    return encode_offset(&ggml_legacy_kind_q4_1, part, block);
}

static bool encode_q5_0(const struct ggml_part *part, uint8_t *block)
{
    return encode_centred(&ggml_legacy_kind_q5_0, part, block);
}

static bool encode_q5_1(const struct ggml_part *part, uint8_t *block)
{
    return encode_offset(&ggml_legacy_kind_q5_1, part, block);
}

static bool encode_q8_0(const struct ggml_part *part, uint8_t *block)
{
    const float d = fabsf(extreme(part->x, BLOCK)) / 127.0f, id = inverse(d);
    put_f16(block, d);
    for (int j = 0; j < BLOCK; j++)
        block[2 + j] = (uint8_t)to_truncated(roundf(part->x[j] * id));
    return true;
}

static bool encode_q1_0(const struct ggml_part *part, uint8_t *block)
{
    float sum = 0;
    for (int j = 0; j < 128; j++)
        sum += fabsf(part->x[j]);
    put_f16(block, sum / 128.0f);
    memset(block + 2, 0, 16);
    for (int j = 0; j < 128; j++)
        block[2 + j / 8] |= (uint8_t)((part->x[j] >= 0) << j % 8);
    return true;
}

static bool encode_q2_0(const struct ggml_part *part, uint8_t *block)
{
    const float d = fabsf(extreme(part->x, 64)), id = inverse(d);
    put_f16(block, d);
    memset(block + 2, 0, 16);
    for (int j = 0; j < 64; j++) {
        const int32_t code = to_truncated(roundf(part->x[j] * id));
        block[2 + j / 4] = (uint8_t)(block[2 + j / 4] | (unsigned)(clamp(code, -1, 2) + 1) << 2 * (j % 4));
    }
    return true;
}

const struct ggml_kernel ggml_legacy_q1_0 = {decode_q1_0, encode_q1_0, false, false}, ggml_legacy_q2_0 = {decode_q2_0, encode_q2_0, false, false},
                         ggml_legacy_q4_0 = {decode_q4_0, encode_q4_0, false, true}, ggml_legacy_q4_1 = {decode_q4_1, encode_q4_1, false, true},
                         ggml_legacy_q5_0 = {decode_q5_0, encode_q5_0, false, true}, ggml_legacy_q5_1 = {decode_q5_1, encode_q5_1, false, true},
                         ggml_legacy_q8_0 = {decode_q8_0, encode_q8_0, false, false};
