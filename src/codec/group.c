#include "codec/group.h"

#include "base/le.h"

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

/* A float plus a power of two is exact in double wherever the sum could be an i32. False if it is none (NaN included). */
static bool zero_of(float offset, int32_t middle, int32_t *zero)
{
    const double sum = (double)offset + (double)middle;
    if (!(sum >= INT32_MIN && sum <= INT32_MAX))
        return false;
    *zero = (int32_t)sum;
    return (double)*zero == sum;
}

void group_zeros_from_offsets(const float *offset, const float *scale, size_t count, unsigned bits, int32_t *zero)
{
    const int32_t middle = INT32_C(1) << (bits - 1);
    for (size_t i = 0; i < count; i++) {
        int32_t exact;
        zero[i] = scale[i] != 0.0f && zero_of(offset[i], middle, &exact) ? exact : middle;
    }
}

/* Judges the offset of a live group. False if it gives no zero. */
static bool judge_offset(float offset, int32_t middle, struct group_tally *tally)
{
    int32_t zero;
    if (!isfinite(offset)) {
        tally->bad_zeros++;
        return false;
    }
    tally->offset_min = fmin(tally->offset_min, (double)offset);
    tally->offset_max = fmax(tally->offset_max, (double)offset);
    if (zero_of(offset, middle, &zero))
        return true;
    tally->fractions++;
    return false;
}

void group_measure(const float *scale, const float *offset, const int32_t *zero, size_t count, unsigned bits, struct group_tally *tally)
{
    const int32_t middle = INT32_C(1) << (bits - 1), most = middle + (middle - 1);
    tally->groups += count;
    for (size_t i = 0; i < count; i++) {
        if (scale[i] == 0.0f) {
            tally->dead++;
            continue;
        }
        tally->negative += scale[i] < 0.0f;
        tally->bad_scales += isfinite(scale[i]) ? 0 : 1;
        if (offset != NULL && !judge_offset(offset[i], middle, tally)) {
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

void group_transpose(const void *source, size_t source_stride, size_t rows, size_t columns, size_t size, void *target, size_t target_stride)
{
    const struct turn turn = {source, source_stride * size, target, target_stride * size, rows, columns};
    if (size == 1)
        turn_elements(&turn, 1);
    else if (size == 2)
        turn_elements(&turn, 2);
    else
        turn_elements(&turn, 4);
}
