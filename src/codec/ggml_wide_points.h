/* Values of IQ1, IQ2 and IQ3, 32 at a time (ggml_codes.h): points of grids. Layouts stand in ggml_iq1.c, ggml_iq2.c and ggml_iq3.c. */
#ifndef REPAQ_GGML_WIDE_POINTS_H
#define REPAQ_GGML_WIDE_POINTS_H

#include "codec/ggml_codes.h"
#include "codec/ggml_iq_search.h"

#if defined(LANES)
/* Four points, whose numbers are a byte and what `more` has: fields of `width` bits, of which `mask` counts. */
WIDE static inline uint64_t four_points(const uint16_t *grid, const uint8_t *number, unsigned more, int width, unsigned mask)
{
    uint64_t points = 0;
    for (int k = 0; k < 4; k++)
        points |= (uint64_t)grid[number[k] | (more >> width * k & mask) << 8] << 16 * k;
    return points;
}

/* --- IQ2 -------------------------------------------------------------------------------------------------------------------- */

/* A half or a whole of 32 codes has the scale d * (scale + 1/2) / 4. */
WIDE static inline void twos(uint64_t points, uint32_t signs, float d, const uint8_t scales[2], float *x)
{
    static const int8_t coordinate[16] = {8, 25, 43};
    const float scale[2] = {d * (0.5f + (float)scales[0]) * 0.25f, d * (0.5f + (float)scales[1]) * 0.25f};
    times(negated(looked_up(digits_2(points), coordinate), signs), scale, x);
}

/* Four times seven signs, and the eighths that make them even. */
WIDE static inline uint32_t even_signs(uint32_t sevens)
{
    uint32_t signs = 0;
    for (int k = 0; k < 4; k++)
        signs |= ggml_iq_even(sevens >> 7 * k & 127) << 8 * k;
    return signs;
}

WIDE static inline void decode_iq2_xxs(const uint8_t *blocks, uint64_t elements, float *x)
{
    const uint16_t *grid = ggml_grid_points[GGML_GRID_IQ2_XXS];
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 66)
        for (int b = 0; b < 8; b++) {
            const uint8_t *number = blocks + 2 + 8 * b;
            const uint32_t rest = le_load32(number + 4);
            const uint8_t scale = (uint8_t)(rest >> 28);
            twos(four_points(grid, number, 0, 0, 0), even_signs(rest), half_at(blocks), (const uint8_t[2]){scale, scale}, x + at + 32 * b);
        }
}

WIDE static inline void decode_iq2_xs(const uint8_t *blocks, uint64_t elements, float *x)
{
    const uint16_t *grid = ggml_grid_points[GGML_GRID_IQ2_XS];
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 74)
        for (int b = 0; b < 8; b++) {
            const uint8_t scale = blocks[66 + b];
            uint64_t points = 0;
            uint32_t signs = 0;
            for (int k = 0; k < 4; k++) {
                const unsigned word = le_load16(blocks + 2 + 8 * b + 2 * k);
                points |= (uint64_t)grid[word & 511] << 16 * k;
                signs |= ggml_iq_even(word >> 9) << 8 * k;
            }
            twos(points, signs, half_at(blocks), (const uint8_t[2]){scale & 15, scale >> 4}, x + at + 32 * b);
        }
}

WIDE static inline void decode_iq2_s(const uint8_t *blocks, uint64_t elements, float *x)
{
    const uint16_t *grid = ggml_grid_points[GGML_GRID_IQ2_S];
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 82)
        for (int b = 0; b < 8; b++) {
            const uint8_t scale = blocks[74 + b];
            const uint64_t points = four_points(grid, blocks + 2 + 4 * b, blocks[66 + b], 2, 3);
            twos(points, le_load32(blocks + 34 + 4 * b), half_at(blocks), (const uint8_t[2]){scale & 15, scale >> 4}, x + at + 32 * b);
        }
}

/* --- IQ3 -------------------------------------------------------------------------------------------------------------------- */

WIDE static inline void decode_iq3_xxs(const uint8_t *blocks, uint64_t elements, float *x)
{
    static const int8_t coordinate[16] = {4, 12, 20, 28, 36, 44, 52, 62};
    const uint16_t *grid = ggml_grid_points[GGML_GRID_IQ3_XXS];
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 98)
        for (int b = 0; b < 8; b++) {
            const uint8_t *number = blocks + 2 + 8 * b;
            const uint32_t rest = le_load32(blocks + 66 + 4 * b);
            const codes sizes = looked_up(digits_3(four_points(grid, number, 0, 0, 0), four_points(grid, number + 4, 0, 0, 0)), coordinate);
            times_one(negated(sizes, even_signs(rest)), half_at(blocks) * (0.5f + (float)(rest >> 28)) * 0.5f, x + at + 32 * b);
        }
}

WIDE static inline void decode_iq3_s(const uint8_t *blocks, uint64_t elements, float *x)
{
    static const int8_t coordinate[16] = {1, 3, 5, 7, 9, 11, 13, 15};
    const uint16_t *grid = ggml_grid_points[GGML_GRID_IQ3_S];
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 110)
        for (int b = 0; b < 8; b++) {
            const uint8_t *number = blocks + 2 + 8 * b;
            const unsigned ninths = blocks[66 + b];
            const int scale = blocks[106 + b / 2] >> b % 2 * 4 & 15;
            const uint64_t first = four_points(grid, number, ninths, 1, 1), second = four_points(grid, number + 4, ninths >> 4, 1, 1);
            times_one(negated(looked_up(digits_3(first, second), coordinate), le_load32(blocks + 74 + 4 * b)), half_at(blocks) * (float)(1 + 2 * scale),
                      x + at + 32 * b);
        }
}

/* --- IQ1 -------------------------------------------------------------------------------------------------------------------- */

/* Eights of (coordinate +- 1/8), of which a scale's eighth makes what the scale makes of the sum: no bit is lost on the way. */
WIDE static inline void ones(uint64_t points, uint32_t minus, const float scale[2], float *x)
{
    static const int8_t eights[16] = {-7, 1, 9};
    times(plus(looked_up(digits_2(points), eights), flags(minus, -2)), (const float[2]){scale[0] * 0.125f, scale[1] * 0.125f}, x);
}

WIDE static inline void decode_iq1_s(const uint8_t *blocks, uint64_t elements, float *x)
{
    const uint16_t *grid = ggml_grid_points[GGML_GRID_IQ1];
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 50)
        for (int b = 0; b < 8; b++) {
            const unsigned rest = le_load16(blocks + 34 + 2 * b);
            const float scale = half_at(blocks) * (float)(2 * (rest >> 12 & 7) + 1);
            ones(four_points(grid, blocks + 2 + 4 * b, rest, 3, 7), 0 - (uint32_t)(rest >> 15), (const float[2]){scale, scale}, x + at + 32 * b);
        }
}

WIDE static inline void decode_iq1_m(const uint8_t *blocks, uint64_t elements, float *x)
{
    const uint16_t *grid = ggml_grid_points[GGML_GRID_IQ1];
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 56) {
        const float d = half_from_f16(scattered_f16(blocks + 48));
        for (int b = 0; b < 8; b++) {
            const unsigned high_bits = le_load16(blocks + 32 + 2 * b), scales = (unsigned)le_load16(blocks + 48 + b / 2 * 2) >> b % 2 * 6;
            const float scale[2] = {d * (float)(2 * (scales & 7) + 1), d * (float)(2 * (scales >> 3 & 7) + 1)};
            uint32_t minus = 0;
            for (int k = 0; k < 4; k++)
                minus |= (high_bits >> 4 * k >> 3 & 1) * (0xffu << 8 * k);
            ones(four_points(grid, blocks + 4 * b, high_bits, 4, 7), minus, scale, x + at + 32 * b);
        }
    }
}
#endif

#endif
