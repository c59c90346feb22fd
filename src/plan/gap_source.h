/* What the source itself says against a weight, whatever the target: values that are no numbers, claims that the data contradict, casts. */
#ifndef REPAQ_GAP_SOURCE_H
#define REPAQ_GAP_SOURCE_H

#include "plan/survey.h"

/* CORRUPT: R-NONFINITE, R-SYMFLAG, R-AMBIG-V1, R-SHAPE; UNREPRESENTABLE: scaled zeros that stand for none (R-RANGE). */
enum status gap_source_check(const struct model *model, uint32_t weight, const struct survey_weight *seen, struct err *err) WARN_UNUSED;

/* The refusal of GPTQ v1 zeros that known writers mean differently (R-AMBIG-V1): CORRUPT. */
enum status gap_source_ambiguous(const char *weight, uint64_t count, struct err *err);

/* Numbers that change their dtype. */
struct gap_source_cast {
    const char *where, *what; /* "scales" */
    const struct cast_tally *tally;
    enum dtype to;
    bool exact;  /* --exact */
    bool widens; /* --dtype f32 is open to them */
};

/* Overflow is refused, and a scale that becomes zero (R-SCALE); with `exact` every rounding. */
enum status gap_source_cast(struct gap_source_cast change, struct err *err) WARN_UNUSED;

#endif
