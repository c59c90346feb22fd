#include "codec/group.h"

#include "base/le.h"
#include "codec/half.h"
#include "codec/pack_kernels.h"

#include <float.h>
#include <math.h>

#define TURN 16 /* rows and columns that are transposed together: their lines fit the first cache together */

struct group_tally group_tally_start(void)
{
    return (struct group_tally){.zero_min = INT64_MAX, .zero_max = INT64_MIN, .offset_min = INFINITY, .offset_max = -INFINITY};
}

void group_tally_add(struct group_tally *sum, const struct group_tally *part)
{
    sum->groups += part->groups;
    sum->dead += part->dead;
    sum->negative += part->negative;
    sum->bad_scales += part->bad_scales;
    sum->bad_zeros += part->bad_zeros;
    sum->fractions += part->fractions;
    sum->not_mid += part->not_mid;
    sum->below_zero += part->below_zero;
    sum->equal_zero += part->equal_zero;
    sum->above_code += part->above_code;
    sum->zero_min = part->zero_min < sum->zero_min ? part->zero_min : sum->zero_min;
    sum->zero_max = part->zero_max > sum->zero_max ? part->zero_max : sum->zero_max;
    sum->offset_min = fmin(sum->offset_min, part->offset_min);
    sum->offset_max = fmax(sum->offset_max, part->offset_max);
}

/* False if the sum is no i32 (NaN included). An integer that could be one is exact in double with a power of two added; a fraction may vanish. */
static bool zero_of(float offset, int32_t middle, int32_t *zero)
{
    const double sum = (double)offset + (double)middle;
    if (!(sum >= INT32_MIN && sum <= INT32_MAX))
        return false;
    *zero = (int32_t)sum;
    return floorf(offset) == offset;
}

#define BLOCK 1024            /* pairs that are judged together */
#define PLAIN_MAX 1000000.0f  /* integers up to here are exact as float and far from the ends of i32 */

/* Zeros of a block whose scales are not 0 and whose offsets are small integers, which is nearly every block: no branches, so compilers make
 * vectors of it. False, with zero[] undefined, if the block is not of that kind. */
static bool plain_zeros(const float *offset, const float *scale, size_t count, int32_t middle, int32_t *zero)
{
    unsigned odd = 0;
    for (size_t i = 0; i < count; i++)
        odd |= (unsigned)!(fabsf(offset[i]) <= PLAIN_MAX) | (unsigned)(scale[i] == 0.0f);
    if (odd != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        const int32_t whole = (int32_t)offset[i];
        odd |= (unsigned)((float)whole != offset[i]);
        zero[i] = whole + middle;
    }
    return odd == 0;
}

void group_zeros_from_offsets(const float *offset, const float *scale, size_t count, unsigned bits, int32_t *zero)
{
    const int32_t middle = INT32_C(1) << (bits - 1);
    for (size_t at = 0; at < count; at += BLOCK) {
        const size_t end = count - at < BLOCK ? count : at + BLOCK;
        if (plain_zeros(offset + at, scale + at, end - at, middle, zero + at))
            continue;
        for (size_t i = at; i < end; i++) {
            int32_t exact;
            zero[i] = scale[i] != 0.0f && zero_of(offset[i], middle, &exact) ? exact : middle;
        }
    }
}

/* --- zeros as floats in units of the weight ------------------------------------------------------------------------------------ */

/* A zero of at most 24 bits times a scale of 24 is exact in double, so equality there is equality of the numbers. */
static int32_t zero_of_beta(float beta, float scale, int32_t middle)
{
    if (scale == 0.0f)
        return beta == 0.0f ? middle : GROUP_NO_ZERO;
    const double zero = nearbyint(-(double)beta / (double)scale);
    const bool whole = zero > -16777216.0 && zero < 16777216.0 && -zero * (double)scale == (double)beta;
    return whole ? (int32_t)zero : GROUP_NO_ZERO;
}

size_t group_zeros_from_betas(const float *beta, const float *scale, size_t count, int32_t middle, int32_t *zero)
{
    size_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        bad += isfinite(beta[i]) ? 0 : 1;
        zero[i] = isfinite(beta[i]) && isfinite(scale[i]) ? zero_of_beta(beta[i], scale[i], middle) : GROUP_NO_ZERO;
    }
    return bad;
}

static float rounded(float value, enum dtype dtype)
{
    uint8_t stored[4];
    float back;
    half_store(dtype, &value, 1, stored, NULL);
    half_load(dtype, stored, 1, &back);
    return back;
}

size_t group_zeros_from_scaled(const struct group_scaled *scaled, int32_t *zero)
{
    size_t bad = 0;
    for (size_t i = 0; i < scaled->count; i++) {
        const float stored = scaled->stored[i], scale = scaled->scale[i];
        bad += isfinite(stored) ? 0 : 1;
        zero[i] = scaled->middle;
        if (scale == 0.0f && stored == 0.0f)
            continue;
        const double near = nearbyint(-(double)stored / (double)scale);
        const bool held = near >= 0.0 && near <= (double)scaled->most && rounded(-(scale * (float)near), scaled->dtype) == stored;
        zero[i] = held ? (int32_t)near : GROUP_NO_ZERO;
    }
    return bad;
}

size_t group_betas(const int32_t *zero, const float *scale, size_t count, int32_t add, float *beta)
{
    size_t inexact = 0;
    for (size_t i = 0; i < count; i++) {
        const double exact = -(double)(zero[i] + add) * (double)scale[i];
        beta[i] = exact == 0.0 ? 0.0f : (float)exact;
        inexact += (double)beta[i] != exact;
    }
    return inexact;
}

/* --- the tally ------------------------------------------------------------------------------------------------------------------ */

/* Judges the offset of a live group. False if it gives no zero. */
static bool judge_offset(float offset, int32_t middle, struct group_tally *tally)
{
    int32_t zero;
    if (!isfinite(offset)) {
        *(isnan(offset) ? &tally->bad_zeros : &tally->fractions) += 1;
        return false;
    }
    tally->offset_min = fmin(tally->offset_min, (double)offset);
    tally->offset_max = fmax(tally->offset_max, (double)offset);
    if (zero_of(offset, middle, &zero))
        return true;
    tally->fractions++;
    return false;
}

/* Live groups with positive scales and whole zeros: the tally of a block without branches. False, with nothing tallied, for other blocks. */
static bool measure_plain(const float *scale, const float *offset, const int32_t *zero, size_t count, int32_t middle, struct group_tally *tally)
{
    const int32_t most = middle + (middle - 1);
    unsigned odd = 0, not_mid = 0, below = 0, equal = 0, above = 0;
    int32_t least = INT32_MAX, largest = INT32_MIN;
    for (size_t i = 0; i < count; i++)
        odd |= (unsigned)!(scale[i] > 0.0f && scale[i] <= FLT_MAX) | (unsigned)(zero[i] == GROUP_NO_ZERO);
    for (size_t i = 0; offset != NULL && i < count; i++)
        odd |= (unsigned)!(fabsf(offset[i]) <= PLAIN_MAX) | (unsigned)((float)(zero[i] - middle) != offset[i]);
    if (odd != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        not_mid += zero[i] != middle;
        below += zero[i] < 0;
        equal += zero[i] == 0;
        above += zero[i] > most;
        least = zero[i] < least ? zero[i] : least;
        largest = zero[i] > largest ? zero[i] : largest;
    }
    tally->not_mid += not_mid;
    tally->below_zero += below;
    tally->equal_zero += equal;
    tally->above_code += above;
    tally->zero_min = least < tally->zero_min ? least : tally->zero_min;
    tally->zero_max = largest > tally->zero_max ? largest : tally->zero_max;
    if (offset != NULL) {
        tally->offset_min = fmin(tally->offset_min, (double)least - middle);
        tally->offset_max = fmax(tally->offset_max, (double)largest - middle);
    }
    return true;
}

static void measure_each(const float *scale, const float *offset, const int32_t *zero, size_t count, int32_t middle, struct group_tally *tally)
{
    const int32_t most = middle + (middle - 1);
    for (size_t i = 0; i < count; i++) {
        const bool none = zero[i] == GROUP_NO_ZERO;
        if (scale[i] == 0.0f && !none) {
            tally->dead++;
            continue;
        }
        tally->negative += scale[i] < 0.0f;
        tally->bad_scales += isfinite(scale[i]) ? 0 : 1;
        tally->fractions += none;
        if (none || (offset != NULL && !judge_offset(offset[i], middle, tally))) {
            tally->not_mid++;
            continue;
        }
        tally->not_mid += zero[i] != middle;
        tally->below_zero += zero[i] < 0;
        tally->equal_zero += zero[i] == 0;
        tally->above_code += zero[i] > most;
        tally->zero_min = zero[i] < tally->zero_min ? zero[i] : tally->zero_min;
        tally->zero_max = zero[i] > tally->zero_max ? zero[i] : tally->zero_max;
    }
}

void group_measure(const float *scale, const float *offset, const int32_t *zero, size_t count, unsigned bits, struct group_tally *tally)
{
    const int32_t middle = INT32_C(1) << (bits - 1);
    tally->groups += count;
    for (size_t at = 0; at < count; at += BLOCK) {
        const size_t part = count - at < BLOCK ? count - at : BLOCK;
        const float *own = offset == NULL ? NULL : offset + at;
        if (!measure_plain(scale + at, own, zero + at, part, middle, tally))
            measure_each(scale + at, own, zero + at, part, middle, tally);
    }
}

bool group_of_is_trivial(const void *group_of, uint64_t in, uint64_t group)
{
    const uint8_t *at = group_of;
    uint64_t expected = 0, left = group;
    for (uint64_t k = 0; k < in; k++, left--) {
        if (left == 0) {
            expected++;
            left = group;
        }
        if (le_load32(at + 4 * k) != expected)
            return false;
    }
    return true;
}

struct turn {
    const uint8_t *source;
    size_t source_stride; /* bytes, as the other */
    uint8_t *target;
    size_t target_stride;
    size_t rows, columns;
};

/* Inlined for each size, so that every copy is one load and one store. */
static inline void turn_elements(const struct turn *turn, size_t size)
{
    for (size_t row0 = 0; row0 < turn->rows; row0 += TURN) {
        const size_t row1 = turn->rows - row0 < TURN ? turn->rows : row0 + TURN;
        for (size_t column = 0; column < turn->columns; column++)
            for (size_t row = row0; row < row1; row++)
                memcpy(turn->target + column * turn->target_stride + row * size, turn->source + row * turn->source_stride + column * size, size);
    }
}

/* Interleaving row k with row k + 4 moves the top bit of the row number to the bottom of the column number. */
static inline void turn_round(const vec16 *a, vec16 *b)
{
    b[0] = vec_low16(a[0], a[4]), b[1] = vec_high16(a[0], a[4]);
    b[2] = vec_low16(a[1], a[5]), b[3] = vec_high16(a[1], a[5]);
    b[4] = vec_low16(a[2], a[6]), b[5] = vec_high16(a[2], a[6]);
    b[6] = vec_low16(a[3], a[7]), b[7] = vec_high16(a[3], a[7]);
}

/* 8 x 8 elements of two bytes. */
static inline void turn_eight(const uint8_t *from, size_t from_stride, uint8_t *to, size_t to_stride)
{
    vec16 a[8], b[8];
    for (size_t k = 0; k < 8; k++)
        a[k] = (vec16)vec_load(from + k * from_stride);
    turn_round(a, b);
    turn_round(b, a);
    turn_round(a, b);
    for (size_t k = 0; k < 8; k++)
        vec_store(to + k * to_stride, (vec8)b[k]);
}

/* Scales of two bytes are nearly all there is: whole eights by vectors, and what is left below and beside them. */
static void turn_halves(const struct turn *turn)
{
    const size_t rows = turn->rows / 8 * 8, columns = turn->columns / 8 * 8;
    for (size_t row = 0; row < rows; row += 8)
        for (size_t column = 0; column < columns; column += 8)
            turn_eight(turn->source + row * turn->source_stride + 2 * column, turn->source_stride, turn->target + column * turn->target_stride + 2 * row,
                       turn->target_stride);
    struct turn below = *turn, beside = *turn;
    below.source += rows * turn->source_stride;
    below.target += 2 * rows;
    below.rows -= rows;
    turn_elements(&below, 2);
    beside.source += 2 * columns;
    beside.target += columns * turn->target_stride;
    beside.rows = rows;
    beside.columns -= columns;
    turn_elements(&beside, 2);
}

void group_transpose(struct group_matrix source, size_t rows, size_t columns, size_t size, void *target, size_t target_stride)
{
    const struct turn turn = {source.data, source.stride * size, target, target_stride * size, rows, columns};
    if (size == 1)
        turn_elements(&turn, 1);
    else if (size == 2)
        turn_halves(&turn);
    else
        turn_elements(&turn, 4);
}
