/* verify: two checkpoints of any two formats, compared by what their weights mean. */
#ifndef REPAQ_COMPARE_H
#define REPAQ_COMPARE_H

#include "plan/fetch.h"
#include "plan/rounding.h"
#include "plan/run.h"

struct compare_options {
    bool exact;       /* rounded scales count as differences */
    const struct rounding *rounding; /* the second side's blocks are what the first side's values round to, where they are not equal; NULL: they must be */
    double tolerance; /* largest |a - b| <= tolerance * largest |a| per tensor is equal; below 0: bits */
    const struct aims *aims; /* what --exclude names of the first side is not compared; NULL: all is */
};

/* What one pair of tensors or weights came to. */
enum verdict { VERDICT_EQUAL, VERDICT_ROUNDED, VERDICT_DIFFERS, VERDICT_MISSING, VERDICT_COUNT };
const char *compare_verdict_name(enum verdict verdict);

struct pair {
    const char *name;      /* of the weight or tensor */
    uint32_t a, b;         /* index into the model's weights or tensors; MODEL_NONE: there is none */
    bool weight_a, weight_b; /* a and b are weights, not tensors */
    enum verdict verdict;
    uint64_t codes, zeros, scales, values, activations; /* differences of each kind */
    uint64_t rounded;      /* scales or values that one side rounds */
    uint64_t rounded_activations; /* parameters of activations likewise */
    double max_relative;   /* of what is rounded */
    char first[120];       /* the first difference in words; "" if there is none */
};

struct comparison {
    struct pair *pair;     /* owned; sorted by name */
    size_t count, capacity;
    size_t count_of[VERDICT_COUNT];
    uint64_t codes, zeros, scales, values, activations; /* differences in all */
    double max_relative;
    const struct pair *first; /* the first pair that differs, NULL if none */
    struct arena arena;
};

/* Compares every weight and tensor on worker threads. Free with compare_free, also after a failure. Never DIFFERS: read it from count_of. */
enum status compare_models(struct comparison *comparison, const struct fetch *a, const struct fetch *b, const struct compare_options *options,
                           const struct resources *resources, struct err *err) WARN_UNUSED;
void compare_free(struct comparison *comparison);

#endif
