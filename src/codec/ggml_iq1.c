/* IQ1: 8 elements are a point of a grid with coordinates -1, 0, 1, all moved by 1/8 to one side. Read in ggml-org/ggml:src/ggml-common.h and src/ggml-quants.c.
 *
 *     IQ1_S   d | low[32] | 8 x u16           u16: 4 x 3 bits, bits 8..10 of points; scale of 32 elements in bits 12..14; side in bit 15
 *     IQ1_M   low[32] | high[16] | 4 x u16    nibble p % 2 of high[p / 2]: bits 8..10 of point p and its side; u16: 4 x 3 bits, scales of 16 elements, and
 *                                             in its top nibble four bits of d, lowest first
 *
 *     x = (d * (2 scale + 1)) * (coordinate +- 1/8), a set bit of the side is minus */
#include "codec/ggml_iq1.h"

#include <float.h>
#include <math.h>

#define DELTA 0.125f

static void decode_point(unsigned packed, bool minus, float scale, float *x)
{
    const float delta = minus ? -DELTA : DELTA;
    for (int i = 0; i < 8; i++)
        x[i] = scale * ((float)((int)(packed >> 2 * i & 3) - 1) + delta);
}

static void decode_s(const uint8_t *block, float *x)
{
    const float d = f16_at(block);
    for (int p = 0; p < 32; p++) {
        const unsigned rest = le_load16(block + 34 + p / 4 * 2), number = block[2 + p] | (rest >> p % 4 * 3 & 7) << 8;
        decode_point(ggml_grid_points[GGML_GRID_IQ1][number], rest >> 15, d * (float)(2 * (rest >> 12 & 7) + 1), x + 8 * p);
    }
}

static void decode_m(const uint8_t *block, float *x)
{
    const float d = half_from_f16(scattered_f16(block + 48));
    for (int p = 0; p < 32; p++) {
        const unsigned rest = (unsigned)block[32 + p / 2] >> p % 2 * 4, number = block[p] | (rest & 7) << 8;
        const unsigned scale = (unsigned)le_load16(block + 48 + p / 8 * 2) >> p / 2 % 4 * 3 & 7;
        decode_point(ggml_grid_points[GGML_GRID_IQ1][number], rest >> 3 & 1, d * (float)(2 * scale + 1), x + 8 * p);
    }
}

/* --- codes of values -------------------------------------------------------------------------------------------------------- */

const float ggml_iq1_levels[2][3] = {{-1 + DELTA, DELTA, 1 + DELTA}, {-1 - DELTA, -DELTA, 1 - DELTA}};

struct choice {
    float scale;
    bool minus[2]; /* the side, of IQ1_M one for each half */
    uint16_t points[4];
};

static void weigh(struct ggml_iq1_sub *sub, const struct ggml_part *part, float mean_square, int at)
{
    sub->x = part->x + at;
    for (int i = 0; i < sub->size; i++) {
        const float square = sub->x[i] * sub->x[i];
        sub->weights[i] = part->weights != NULL ? part->weights[at + i] * sqrtf(mean_square + square) : square;
    }
}

static void sort(struct ggml_iq1_sub *sub)
{
    for (int i = 0; i < sub->size; i++) {
        int at = i;
        for (; at > 0 && sub->x[sub->order[at - 1]] > sub->x[i]; at--)
            sub->order[at] = sub->order[at - 1];
        sub->order[at] = i;
    }
}

void ggml_iq1_sum(const struct ggml_iq1_sub *sub, struct ggml_iq1_sums *sums)
{
    *sums = (struct ggml_iq1_sums){{0}, {0}};
    for (int j = 0; j < sub->size; j++) {
        const int i = sub->order[j];
        sums->x[j + 1] = sums->x[j] + sub->weights[i] * sub->x[i];
        sums->w[j + 1] = sums->w[j] + sub->weights[i];
    }
}

void ggml_iq1_sum_half(const struct ggml_iq1_sub *sub, int half, struct ggml_iq1_sums *sums)
{
    *sums = (struct ggml_iq1_sums){{0}, {0}};
    for (int j = 0; j < 16; j++) {
        const int i = sub->order[j];
        const bool mine = i / 8 == half;
        sums->x[j + 1] = mine ? sums->x[j] + sub->weights[i] * sub->x[i] : sums->x[j];
        sums->w[j + 1] = mine ? sums->w[j] + sub->weights[i] : sums->w[j];
    }
}

static struct ggml_iq1_split split_s(const struct ggml_iq1_sub *sub)
{
    enum { N = 32 };
    struct ggml_iq1_sums sums;
    ggml_iq1_sum(sub, &sums);
    const float *sx = sums.x, *sw = sums.w;
    struct ggml_iq1_split best = {.score = -FLT_MAX};
    for (int a = 0; a <= N; a++)
        for (int b = a; b <= N; b++)
            for (int side = 0; side < 2; side++) {
                const float *q = ggml_iq1_levels[side];
                const float qx = (sx[a] - sx[0]) * q[0] + (sx[b] - sx[a]) * q[1] + (sx[N] - sx[b]) * q[2];
                const float q2 = (sw[a] - sw[0]) * q[0] * q[0] + (sw[b] - sw[a]) * q[1] * q[1] + (sw[N] - sw[b]) * q[2] * q[2];
                ggml_iq1_consider(&best, qx, q2, a, b, side);
            }
    return best;
}

/* Sums of q * x and q * q of a half that is split at a and b and lies on a side: neighbouring levels differ by 1. */
static void half_sums(const struct ggml_iq1_sums *half, int a, int b, const float *q, float sums[2])
{
    sums[0] = half->x[16] * q[2] - (half->x[a] + half->x[b]);
    sums[1] = half->w[16] * q[2] * q[2] + half->w[a] * (q[0] * q[0] - q[1] * q[1]) + half->w[b] * (q[1] * q[1] - q[2] * q[2]);
}

static struct ggml_iq1_split split_m(const struct ggml_iq1_sub *sub)
{
    struct ggml_iq1_sums half[2];
    ggml_iq1_sum_half(sub, 0, half);
    ggml_iq1_sum_half(sub, 1, half + 1);
    struct ggml_iq1_split best = {.score = -FLT_MAX};
    for (int a = 0; a <= 16; a++)
        for (int b = a; b <= 16; b++) {
            float sums[2][2][2]; /* half, side, qx and q2 */
            for (int h = 0; h < 2; h++)
                for (int side = 0; side < 2; side++)
                    half_sums(half + h, a, b, ggml_iq1_levels[side], sums[h][side]);
            for (int sides = 0; sides < 4; sides++) {
                const float *first = sums[0][sides >> 1], *last = sums[1][sides & 1];
                ggml_iq1_consider(&best, first[0] + last[0], first[1] + last[1], a, b, sides);
            }
        }
    return best;
}

static int nearest(const struct ggml_iq1_sub *sub, int first, const uint16_t *list, float scale, const float *q)
{
    float least = FLT_MAX, errors[8][4]; /* of each code of an element */
    int found = -1;
    for (int i = 0; i < 8; i++)
        for (int code = 0; code < 3; code++) {
            const float off = scale * q[code] - sub->x[first + i];
            errors[i][code] = sub->weights[first + i] * off * off;
        }
    for (int n = 1; n <= list[0]; n++) {
        float error = 0;
        for (int i = 0; i < 8; i++)
            error += errors[i][list[n] >> 2 * i & 3];
        if (error < least)
            least = error, found = list[n];
    }
    return found;
}

const struct ggml_iq1_tools ggml_iq1_plain = {split_s, split_m, nearest};

/* The point for 8 elements with these codes; of those around it the one that errs least. -1 if there is none. */
static int find_point(const struct ggml_iq1_sub *sub, int k, const uint8_t *codes, const struct ggml_iq1_split *split, const float *q,
                      const struct ggml_iq1_tools *tools)
{
    unsigned packed = 0;
    for (int i = 0; i < 8; i++)
        packed |= (unsigned)codes[8 * k + i] << 2 * i;
    const int32_t on_grid = sub->grid->map[packed];
    if (on_grid >= 0)
        return on_grid;
    const int found = tools->nearest(sub, 8 * k, sub->grid->neighbours - 1 - on_grid, split->scale, q);
    return found < 0 ? -1 : sub->grid->map[found];
}

/* Weighted sums of q * x and q * q of point k, q times `factor`, added to those there are. */
static void add_point(const struct ggml_iq1_sub *sub, int k, unsigned point, const float *q, float factor, float sums[2])
{
    const int8_t *odd = sub->grid->odd + 8 * point;
    for (int i = 0; i < 8; i++) {
        const float value = q[(odd[i] - 1) / 2] * factor, w = sub->weights[8 * k + i];
        sums[0] += w * value * sub->x[8 * k + i];
        sums[1] += w * value * value;
    }
}

static const float *side_of(const struct ggml_iq1_sub *sub, const struct choice *choice, int k)
{
    return ggml_iq1_levels[choice->minus[sub->size == 16 ? k : 0]];
}

/* Scale, sides and points of a sub-block; scale 0, point 0 and plus for zeros. False where ggml aborts. */
static bool search_sub(struct ggml_iq1_sub *sub, float tiny, const struct ggml_iq1_tools *tools, struct choice *choice)
{
    *choice = (struct choice){0};
    if (fabsf(extreme(sub->x, (size_t)sub->size)) < tiny)
        return true;
    sort(sub);
    struct ggml_iq1_split best = sub->size == 32 ? tools->split_s(sub) : tools->split_m(sub);
    if (!best.found)
        return true;
    uint8_t codes[32];
    for (int j = 0; j < sub->size; j++)
        codes[sub->order[j]] = j < best.first ? 0 : j < best.second ? 1 : 2;
    if (best.scale < 0) {
        for (int j = 0; j < sub->size; j++)
            codes[j] = (uint8_t)(2 - codes[j]);
        best.scale = -best.scale;
        best.sides ^= 3;
    }
    choice->scale = best.scale;
    choice->minus[0] = sub->size == 16 ? best.sides >> 1 & 1 : best.sides & 1;
    choice->minus[1] = best.sides & 1;
    bool off_grid = false;
    float sums[2] = {0, 0};
    for (int k = 0; k < sub->size / 8; k++) {
        const int point = find_point(sub, k, codes, &best, side_of(sub, choice, k), tools);
        if (point < 0)
            return false;
        choice->points[k] = (uint16_t)point;
        for (int i = 0; i < 8; i++)
            off_grid |= (sub->grid->odd[8 * point + i] - 1) / 2 != codes[8 * k + i];
        add_point(sub, k, choice->points[k], side_of(sub, choice, k), 1, sums);
    }
    if (off_grid && sums[0] > 0 && sums[1] > 0)
        choice->scale = sums[0] / sums[1];
    return choice->scale >= 0;
}

static float mean_square_twice(const float *x)
{
    float sum = 0;
    for (int i = 0; i < GGML_SUPER; i++)
        sum += x[i] * x[i];
    return 2 * sum / 256.0f;
}

static int scale_code(float inverse, float scale)
{
    return clamp(to_nearest(0.5f * (inverse * scale - 1)), 0, 7);
}

bool ggml_iq1_make_s(const struct ggml_part *part, const struct ggml_iq1_tools *tools, uint8_t *block)
{
    const float mean_square = mean_square_twice(part->x);
    struct ggml_iq1_sub sub = {.grid = part->grids->grid + GGML_GRID_IQ1, .size = 32};
    struct choice choices[8];
    float largest = 0;
    memset(block, 0, 50);
    for (int b = 0; b < 8; b++) {
        weigh(&sub, part, mean_square, 32 * b);
        if (!search_sub(&sub, 1e-12f, tools, choices + b))
            return false;
        unsigned rest = 0;
        for (int k = 0; k < 4; k++) {
            block[2 + 4 * b + k] = (uint8_t)choices[b].points[k];
            rest |= (unsigned)choices[b].points[k] >> 8 << 3 * k;
        }
        le_store16(block + 34 + 2 * b, (uint16_t)rest);
        largest = largest > choices[b].scale ? largest : choices[b].scale;
    }
    if (largest == 0)
        return true;
    const float d = largest / 15, inverse = 1 / d;
    put_f16(block, d * 1.125f);
    for (int b = 0; b < 8; b++) {
        const int code = scale_code(inverse, choices[b].scale) | (choices[b].minus[0] ? 8 : 0);
        le_store16(block + 34 + 2 * b, (uint16_t)(le_load16(block + 34 + 2 * b) | code << 12));
    }
    return true;
}

/* d is fitted anew to all points at once, with the scales as they were rounded. */
static float refit(struct ggml_iq1_sub *sub, const struct ggml_part *part, float mean_square, const struct choice *choices, float d)
{
    const float inverse = 1 / d;
    float sums[2] = {0, 0};
    for (int b = 0; b < 16; b++) {
        weigh(sub, part, mean_square, 16 * b);
        for (int k = 0; k < 2; k++)
            add_point(sub, k, choices[b].points[k], side_of(sub, choices + b, k), (float)(2 * scale_code(inverse, choices[b].scale) + 1), sums);
    }
    return sums[1] > 0 ? sums[0] / sums[1] : d;
}

bool ggml_iq1_make_m(const struct ggml_part *part, const struct ggml_iq1_tools *tools, uint8_t *block)
{
    const float mean_square = mean_square_twice(part->x);
    struct ggml_iq1_sub sub = {.grid = part->grids->grid + GGML_GRID_IQ1, .size = 16};
    struct choice choices[16];
    float largest = 0;
    memset(block, 0, 56);
    for (int b = 0; b < 16; b++) {
        weigh(&sub, part, mean_square, 16 * b);
        if (!search_sub(&sub, 1e-7f, tools, choices + b))
            return false;
        block[2 * b] = (uint8_t)choices[b].points[0], block[2 * b + 1] = (uint8_t)choices[b].points[1];
        block[32 + b] = (uint8_t)(choices[b].points[0] >> 8 | choices[b].points[1] >> 8 << 4);
        largest = largest > choices[b].scale ? largest : choices[b].scale;
    }
    if (largest == 0)
        return true;
    const float d = largest / 15, inverse = 1 / d;
    const uint16_t bits = half_to_f16(refit(&sub, part, mean_square, choices, d) * 1.1125f);
    for (int b = 0; b < 16; b++) {
        uint8_t *word = block + 48 + b / 4 * 2;
        const unsigned top = b % 4 == 0 ? (unsigned)(bits >> b & 15) << 12 : 0;
        le_store16(word, (uint16_t)(le_load16(word) | top | (unsigned)scale_code(inverse, choices[b].scale) << 3 * (b % 4)));
        block[32 + b] |= (uint8_t)((choices[b].minus[0] ? 0x08 : 0) | (choices[b].minus[1] ? 0x80 : 0));
    }
    return true;
}

static bool encode_s(const struct ggml_part *part, uint8_t *block)
{
    return ggml_iq1_make_s(part, &ggml_iq1_plain, block);
}

static bool encode_m(const struct ggml_part *part, uint8_t *block)
{
    return ggml_iq1_make_m(part, &ggml_iq1_plain, block);
}

const struct ggml_kernel ggml_iq1_s = {decode_s, encode_s, true, false}, ggml_iq1_m = {decode_m, encode_m, false, false};
