/* IQ2: 8 elements are a point of a grid with coordinates 8, 25 and 43, and a sign each. Read in ggml-org/ggml:src/ggml-common.h and src/ggml-quants.c.
 *
 *     IQ2_XXS   d | 8 x (u32 a, u32 b)                  a: 4 numbers of points; b: 4 x 7 bits of signs, scale of 32 elements in bits 28..31
 *     IQ2_XS    d | 32 x u16 | scales[8]                number of the point, 9 bits, below 7 bits of signs; nibbles: scales of 16
 *     IQ2_S     d | low[32] | signs[32] | high[8] | scales[8]      bits 2 (p % 4) of high[p / 4]: bits 8 9 of point p
 *
 *     x = (d * (scale + 1/2) / 4) * coordinate * sign. Of 7 bits of signs the eighth makes the number of minuses even. */
#include "codec/ggml_iq_search.h"
#include "codec/ggml_kernels.h"

static float sub_scale(float d, int scale)
{
    return d * (0.5f + (float)scale) * 0.25f;
}

static void decode_point(unsigned packed, unsigned signs, float scale, float *x)
{
    static const float coordinate[4] = {8, 25, 43, 0}; /* no point has a digit 3 */
    for (int i = 0; i < 8; i++)
        x[i] = scale * coordinate[packed >> 2 * i & 3] * (signs >> i & 1 ? -1.0f : 1.0f);
}

static void decode_xxs(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int b = 0; b < 8; b++) {
        const uint8_t *points = block + 2 + 8 * b;
        const uint32_t rest = le_load32(points + 4);
        for (int k = 0; k < 4; k++)
            decode_point(ggml_grid_points[GGML_GRID_IQ2_XXS][points[k]], ggml_iq_even(rest >> 7 * k & 127), sub_scale(d, (int)(rest >> 28)),
                         x + 32 * b + 8 * k);
    }
}

static void decode_xs(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int p = 0; p < 32; p++) {
        const unsigned word = le_load16(block + 2 + 2 * p);
        const int scale = block[66 + p / 4] >> 4 * (p / 2 % 2) & 15;
        decode_point(ggml_grid_points[GGML_GRID_IQ2_XS][word & 511], ggml_iq_even(word >> 9), sub_scale(d, scale), x + 8 * p);
    }
}

static void decode_s(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int p = 0; p < 32; p++) {
        const unsigned number = block[2 + p] | (unsigned)(block[66 + p / 4] >> 2 * (p % 4) & 3) << 8;
        const int scale = block[74 + p / 4] >> 4 * (p / 2 % 2) & 15;
        decode_point(ggml_grid_points[GGML_GRID_IQ2_S][number], block[34 + p], sub_scale(d, scale), x + 8 * p);
    }
}

static const struct ggml_iq_rule rule_xxs = {.grid = GGML_GRID_IQ2_XXS,
                                             .size = 32,
                                             .digits = 8,
                                             .levels = 3,
                                             .tries = 6,
                                             .step = 0.1f,
                                             .tiny = 1e-15f,
                                             .squares = 1,
                                             .even_signs = true,
                                             .from_codes = true,
                                             .again = GGML_IQ_AGAIN_ALL};
static const struct ggml_iq_rule rule_xs = {.grid = GGML_GRID_IQ2_XS,
                                            .size = 16,
                                            .digits = 8,
                                            .levels = 3,
                                            .tries = 9,
                                            .step = 0.1f,
                                            .tiny = 1e-15f,
                                            .squares = 1,
                                            .even_signs = true,
                                            .again = GGML_IQ_AGAIN_OFF};
static const struct ggml_iq_rule rule_s = {.grid = GGML_GRID_IQ2_S,
                                           .size = 16,
                                           .digits = 8,
                                           .levels = 3,
                                           .tries = 9,
                                           .step = 0.1f,
                                           .tiny = 1e-8f,
                                           .squares = 2,
                                           .again = GGML_IQ_AGAIN_OFF,
                                           .plain = GGML_IQ_PLAIN_MIXED};

bool ggml_iq2_make_xxs(const struct ggml_part *part, const struct ggml_iq_tools *tools, uint8_t *block)
{
    struct ggml_iq_block made;
    if (!ggml_iq_search_block(&rule_xxs, part, tools, &made))
        return false;
    memset(block, 0, 66);
    put_f16(block, made.d);
    for (int b = 0; b < 8 && !made.zero; b++) {
        uint32_t rest = (uint32_t)made.scales[b] << 28;
        for (int k = 0; k < 4; k++) {
            block[2 + 8 * b + k] = (uint8_t)made.points[4 * b + k];
            rest |= (made.signs[4 * b + k] & 127u) << 7 * k;
        }
        le_store32(block + 2 + 8 * b + 4, rest);
    }
    return true;
}

static void put_scales(const uint8_t *scales, uint8_t *to)
{
    for (int b = 0; b < 8; b++)
        to[b] = (uint8_t)(scales[2 * b] | scales[2 * b + 1] << 4);
}

bool ggml_iq2_make_xs(const struct ggml_part *part, const struct ggml_iq_tools *tools, uint8_t *block)
{
    struct ggml_iq_block made;
    if (!ggml_iq_search_block(&rule_xs, part, tools, &made))
        return false;
    memset(block, 0, 74);
    put_f16(block, made.d);
    for (int p = 0; p < 32 && !made.zero; p++)
        le_store16(block + 2 + 2 * p, (uint16_t)(made.points[p] | (made.signs[p] & 127u) << 9));
    put_scales(made.scales, block + 66);
    return true;
}

bool ggml_iq2_make_s(const struct ggml_part *part, const struct ggml_iq_tools *tools, uint8_t *block)
{
    struct ggml_iq_block made;
    if (!ggml_iq_search_block(&rule_s, part, tools, &made))
        return false;
    memset(block, 0, 82);
    put_f16(block, made.d * 0.9875f);
    for (int p = 0; p < 32; p++) {
        block[2 + p] = (uint8_t)made.points[p];
        block[34 + p] = made.signs[p];
        block[66 + p / 4] |= (uint8_t)(made.points[p] >> 8 << 2 * (p % 4));
    }
    put_scales(made.scales, block + 74);
    return true;
}

static bool encode_xxs(const struct ggml_part *part, uint8_t *block)
{
    return ggml_iq2_make_xxs(part, &ggml_iq_search_plain, block);
}

static bool encode_xs(const struct ggml_part *part, uint8_t *block)
{
    return ggml_iq2_make_xs(part, &ggml_iq_search_plain, block);
}

static bool encode_s(const struct ggml_part *part, uint8_t *block)
{
    return ggml_iq2_make_s(part, &ggml_iq_search_plain, block);
}

const struct ggml_kernel ggml_iq2_xxs = {decode_xxs, encode_xxs, true, false}, ggml_iq2_xs = {decode_xs, encode_xs, true, false},
                         ggml_iq2_s = {decode_s, encode_s, false, false};
