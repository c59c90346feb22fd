/* IQ3: 4 elements are a point of a grid, and 8 elements have a sign each. Read in ggml-org/ggml:src/ggml-common.h and src/ggml-quants.c.
 *
 *     IQ3_XXS   d | points[64] | 8 x u32                           u32: 4 x 7 bits of signs, scale of 32 elements in bits 28..31
 *     IQ3_S     d | low[64] | high[8] | signs[32] | scales[4]      bit p % 8 of high[p / 8]: bit 8 of point p; nibbles: scales of 32
 *
 *     coordinates: 4, 12, 20 .. 52, 62 in IQ3_XXS, 1, 3, 5 .. 15 in IQ3_S
 *     IQ3_XXS: x = (d * (scale + 1/2) / 2) * coordinate * sign     IQ3_S: x = (d * (1 + 2 scale)) * coordinate * sign */
#include "codec/ggml_iq_search.h"
#include "codec/ggml_kernels.h"

static const float coordinate_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62}, coordinate_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};

static void decode_point(unsigned packed, const float *coordinate, unsigned signs, float scale, float *x)
{
    for (int i = 0; i < 4; i++)
        x[i] = scale * coordinate[packed >> 3 * i & 7] * (signs >> i & 1 ? -1.0f : 1.0f);
}

static void decode_xxs(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int p = 0; p < 64; p++) {
        const uint32_t rest = le_load32(block + 66 + p / 8 * 4);
        const unsigned signs = ggml_iq_even(rest >> p / 2 % 4 * 7 & 127) >> p % 2 * 4;
        decode_point(ggml_grid_points[GGML_GRID_IQ3_XXS][block[2 + p]], coordinate_xxs, signs, d * (0.5f + (float)(rest >> 28)) * 0.5f, x + 4 * p);
    }
}

static void decode_s(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int p = 0; p < 64; p++) {
        const unsigned number = block[2 + p] | (unsigned)(block[66 + p / 8] >> p % 8 & 1) << 8;
        const int scale = block[106 + p / 16] >> p / 8 % 2 * 4 & 15;
        decode_point(ggml_grid_points[GGML_GRID_IQ3_S][number], coordinate_s, (unsigned)block[74 + p / 2] >> p % 2 * 4, d * (float)(1 + 2 * scale),
                     x + 4 * p);
    }
}

static const struct ggml_iq_rule rule_xxs = {.grid = GGML_GRID_IQ3_XXS,
                                             .size = 32,
                                             .digits = 4,
                                             .levels = 8,
                                             .tries = 15,
                                             .step = 0.2f,
                                             .tiny = 1e-8f,
                                             .squares = 2,
                                             .even_signs = true,
                                             .again = GGML_IQ_AGAIN_OFF,
                                             .plain = GGML_IQ_PLAIN_SQUARE};
static const struct ggml_iq_rule rule_s = {.grid = GGML_GRID_IQ3_S,
                                           .size = 32,
                                           .digits = 4,
                                           .levels = 8,
                                           .tries = 9,
                                           .step = 0.2f,
                                           .tiny = 0x1p-149f,
                                           .squares = 2,
                                           .again = GGML_IQ_AGAIN_ALL_IF_OFF,
                                           .plain = GGML_IQ_PLAIN_SQUARE};

bool ggml_iq3_make_xxs(const struct ggml_part *part, const struct ggml_iq_tools *tools, uint8_t *block)
{
    struct ggml_iq_block made;
    if (!ggml_iq_search_block(&rule_xxs, part, tools, &made))
        return false;
    memset(block, 0, 98);
    put_f16(block, made.d * 1.0125f);
    for (int p = 0; p < 64 && !made.zero; p++)
        block[2 + p] = (uint8_t)made.points[p];
    for (int b = 0; b < 8 && !made.zero; b++) {
        uint32_t rest = (uint32_t)made.scales[b] << 28;
        for (int k = 0; k < 4; k++)
            rest |= (made.signs[4 * b + k] & 127u) << 7 * k;
        le_store32(block + 66 + 4 * b, rest);
    }
    return true;
}

bool ggml_iq3_make_s(const struct ggml_part *part, const struct ggml_iq_tools *tools, uint8_t *block)
{
    struct ggml_iq_block made;
    if (!ggml_iq_search_block(&rule_s, part, tools, &made))
        return false;
    memset(block, 0, 110);
    put_f16(block, made.d * 1.033f);
    uint8_t *points = block + 2, *signs = block + 74;
    for (int b = 0; b < 8; b++) {
        if (made.tiny[b]) /* ggml does not step over its place: what follows moves up, and is read as other elements. These are its bytes. */
            continue;
        for (int k = 0; k < 8; k++) {
            points[k] = (uint8_t)made.points[8 * b + k];
            block[66 + b] |= (uint8_t)(made.points[8 * b + k] >> 8 << k);
        }
        memcpy(signs, made.signs + 4 * b, 4);
        points += 8, signs += 4;
    }
    for (int b = 0; b < 4; b++)
        block[106 + b] = (uint8_t)(made.scales[2 * b] | made.scales[2 * b + 1] << 4);
    return true;
}

static bool encode_xxs(const struct ggml_part *part, uint8_t *block)
{
    return ggml_iq3_make_xxs(part, &ggml_iq_search_plain, block);
}

static bool encode_s(const struct ggml_part *part, uint8_t *block)
{
    return ggml_iq3_make_s(part, &ggml_iq_search_plain, block);
}

const struct ggml_kernel ggml_iq3_xxs = {decode_xxs, encode_xxs, false, false}, ggml_iq3_s = {decode_s, encode_s, false, false};
