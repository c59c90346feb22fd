/* What the target lacks: for each weight the spec it will have there, or the refusal in words (formats/exact-paths.md section 8). */
#ifndef REPAQ_GAP_H
#define REPAQ_GAP_H

#include "formats/registry.h"
#include "plan/options.h"
#include "plan/survey.h"

/* The dtype that scales get in the target: its only one, or --dtype where it has a choice, or the source's. */
enum dtype gap_scale_dtype(const struct format *target, const struct options *options, enum dtype source);

/* The group size that all weights of a target with a single one must take: the largest that divides all. -1: all are per channel. 0: there are no
 * weights. */
int64_t gap_common_group(const struct model *model);

/* What a decision rests on. */
struct gap {
    const struct model *model;
    const struct survey *survey;
    const struct format *target;
    const struct options *options;
    int64_t group; /* to refine to; -1: per channel, 0: keep */
};

/* Decides the target's spec of weight `index`. Errors: UNREPRESENTABLE (R-RANGE, R-ZERO-V1,
 * R-ACTORDER, R-BITS, R-SHAPE, R-GROUP, R-SCALE), CORRUPT (R-NONFINITE, R-SYMFLAG, R-AMBIG-V1). */
enum status gap_weight(const struct gap *gap, uint32_t index, struct spec *spec, struct err *err) WARN_UNUSED;

/* The refusal of GPTQ v1 zeros that known writers mean differently (R-AMBIG-V1): CORRUPT. */
enum status gap_ambiguous(const char *weight, uint64_t count, struct err *err);

/* Decides whether tensor `index`, which no weight claims, can go as it is marked: R-NORMBIAS, R-SCALE for --dtype. */
enum status gap_tensor(const struct gap *gap, uint32_t index, struct err *err) WARN_UNUSED;

#endif
