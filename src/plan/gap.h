/* What the target lacks: for each weight the spec it will have there, or the refusal in words (formats/exact-paths.md section 8). */
#ifndef REPAQ_GAP_H
#define REPAQ_GAP_H

#include "formats/registry.h"
#include "plan/options.h"
#include "plan/survey.h"

/* The greatest one; of 0 and b: b. */
uint64_t gap_common_divisor(uint64_t a, uint64_t b);

/* The group size that all weights of a target with a single one must take: the largest that divides all, among those that it holds. -1: all are per
 * channel. 0: there is none, or nothing to share. */
int64_t gap_common_group(const struct model *model, const struct aims *aims, const struct capability *can);

/* What a decision rests on. */
struct gap {
    const struct model *model;
    const struct survey *survey;
    const struct aims *aims;
    const struct format *target;
    const struct options *options;
    int64_t group;       /* to refine to; -1: per channel, 0: keep */
    uint32_t asymmetric; /* bit b: some weight of b bits in the target has zeros other than 2^(b-1) */
};

/* Decides the target's spec of weight `index`; spec->form is its row of the target's table, spec->grid GRID_DENSE if it becomes floats. Errors:
 * UNREPRESENTABLE (R-RANGE, R-ZERO-V1, R-ACTORDER, R-ACTPARAM, R-BIAS, R-BITS, R-SHAPE, R-GROUP, R-SCALE), CORRUPT (R-NONFINITE, R-SYMFLAG, R-AMBIG-V1). */
enum status gap_weight(const struct gap *gap, uint32_t index, struct spec *spec, struct err *err) WARN_UNUSED;

/* Decides whether tensor `index`, which no weight claims, can go as it is marked: R-NORMBIAS, R-SCALE for --dtype. */
enum status gap_tensor(const struct gap *gap, uint32_t index, struct err *err) WARN_UNUSED;

/* What would do instead: `first` ("": nothing), the formats that hold the weight as it is and that the engine of --for takes, and rounding anew where
 * `rounds` says so or nothing else is left. */
enum status gap_try_others(const struct gap *gap, uint32_t index, const char *first, bool rounds, struct err *err) WARN_UNUSED;

#endif
