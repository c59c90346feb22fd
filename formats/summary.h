/* A checkpoint that is about to be written, as its configs describe it. */
#ifndef REPAQ_SUMMARY_H
#define REPAQ_SUMMARY_H

#include "formats/form.h"

/* Weights of a checkpoint that are stored alike. */
struct scheme {
    const struct form *form;
    int64_t group;            /* -1 per channel */
    bool symmetric;           /* its zeros are not stored */
    bool act_order;
    bool one;                 /* one scale for the whole weight */
    uint64_t rows;            /* output channels that share scales, in blocks of rows x group; 0: each has its own */
    bool input_zero;          /* static activations whose zero is not 0 */
    const char *const *name;  /* [count]; modules, sorted */
    size_t count;
};

/* What the writer needs to know to describe a checkpoint in config.json. */
struct summary {
    unsigned bits;              /* of most weights */
    int64_t group;              /* of most weights; -1 per channel */
    const struct form *form;    /* of one of these; NULL if there are none */
    bool symmetric;             /* every live zero is 2^(bits-1) */
    bool act_order;             /* some group map is not trivial */
    bool lm_head;               /* lm_head is quantized */
    enum variant variant;       /* --layout */
    const char *const *dense;   /* full module names of Linear layers left float, sorted */
    size_t dense_count;
    const char *const *block_module; /* quantized module names inside a decoder block when they are the same in all; else NULL */
    size_t block_module_count;
    const struct mixed_rule *mixed; /* weights that differ from bits and group, sorted by name */
    size_t mixed_count;
    const struct scheme *scheme; /* [scheme_count]; the largest first, ties by their first name */
    size_t scheme_count;
};
struct mixed_rule {
    const char *name; /* module */
    unsigned bits;
    int64_t group;
    const struct form *form;
};

/* Every tensor of an output checkpoint, for a side file that lists them. */
struct tensor_list {
    const char *const *name;          /* [count]; sorted */
    const struct form *const *form;   /* [count]; NULL: a float tensor */
    size_t count;
};

#endif
