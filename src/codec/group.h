/* Scales and zero points of groups: from the forms of files to the canonical one. */
#ifndef REPAQ_GROUP_H
#define REPAQ_GROUP_H

#include "ir/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the parameters of one weight look like. Parts over disjoint groups combine with group_tally_add in any order. */
struct group_tally {
    uint64_t groups;       /* (out row, group) pairs seen */
    uint64_t dead;         /* scale 0: every value is 0 whatever the codes say */
    uint64_t negative;     /* scale < 0 */
    uint64_t bad_scales;   /* NaN or infinite scale */
    uint64_t bad_zeros;    /* live group whose offset is NaN */
    uint64_t fractions;    /* live group whose offset is not an integer, or not an i32 (infinity) */
    uint64_t not_mid;      /* live group whose zero is not 2^(bits-1) */
    uint64_t below_zero;   /* live groups with zero < 0 */
    uint64_t equal_zero;   /* live groups with zero == 0 */
    uint64_t above_code;   /* live groups with zero > 2^bits - 1 */
    int64_t zero_min, zero_max; /* over live groups with integer zeros; min > max if there is none */
    double offset_min, offset_max; /* of live finite offsets, ZERO_OFFSET only */
};
struct group_tally group_tally_start(void);
void group_tally_add(struct group_tally *sum, const struct group_tally *part);

/* Offsets in the signed domain (msModelSlim: zero = offset + 2^(bits-1)) to zeros i32, count pairs. A dead group (scale 0) gets
 * zero 2^(bits-1) whatever its offset (exact-paths.md section 4). A zero that is no i32 gets 2^(bits-1) and is tallied. */
void group_zeros_from_offsets(const float *offset, const float *scale, size_t count, unsigned bits, int32_t *zero);
/* The zero of a pair whose stored float stands for no integer. */
#define GROUP_NO_ZERO INT32_MIN
/* zero = -beta / scale where that is an integer exactly (MLX: value = scale * code + beta), count pairs; else GROUP_NO_ZERO. A dead group has beta 0
 * and gets `middle`. Returns how many betas are NaN or infinite. */
size_t group_zeros_from_betas(const float *beta, const float *scale, size_t count, int32_t middle, int32_t *zero);
/* The zero in 0..most for which -(scale * zero) rounded to F16 or BF16 is the stored float (AWQ GEMV-fast); else GROUP_NO_ZERO. A dead group gets
 * `middle`. Returns how many of the floats are NaN or infinite. */
struct group_scaled {
    const float *stored, *scale; /* [count] */
    size_t count;
    enum dtype dtype;            /* of the stored floats */
    int32_t most, middle;
};
size_t group_zeros_from_scaled(const struct group_scaled *scaled, int32_t *zero);
/* beta = -(zero + add) * scale, count pairs. Returns how many are not exact in F32. Zeros are no GROUP_NO_ZERO. */
size_t group_betas(const int32_t *zero, const float *scale, size_t count, int32_t add, float *beta);
/* Adds count pairs to *tally; offset may be NULL (then zero alone is judged). GROUP_NO_ZERO counts as a fraction. */
void group_measure(const float *scale, const float *offset, const int32_t *zero, size_t count, unsigned bits, struct group_tally *tally);

/* True if group_of[k] == k / group for all k < in; every entry u32 little-endian, unaligned. */
bool group_of_is_trivial(const void *group_of, uint64_t in, uint64_t group);

/* A parameter matrix in memory: element (row, column) is number row * stride + column. */
struct group_matrix {
    const void *data;
    size_t stride; /* elements */
};
/* Transposes elements of `size` bytes (1, 2 or 4): source [rows][columns] -> target [columns][rows], whose rows are target_stride elements apart. */
void group_transpose(struct group_matrix source, size_t rows, size_t columns, size_t size, void *target, size_t target_stride);

#endif
