/* What an engine takes of one target format, as pure data: src/check fills it from its tables, convert --for ENGINE makes the plan obey. */
#ifndef REPAQ_CONSTRAINTS_H
#define REPAQ_CONSTRAINTS_H

#include "base/err.h"
#include "ir/model.h"

#define CONSTRAINTS_PER_CHANNEL 1u /* beside the powers of two of constraints.groups */

/* All zero: anything goes. */
struct constraints {
    const char *engine;    /* for messages: "vllm" */
    const char *format;    /* the target that the limits are about; NULL: not said */
    const struct constraints *other; /* [other_count] what the engine takes of every format that it loads; borrowed */
    size_t other_count;
    uint32_t bits;         /* bit b: codes of b bits; 0: any */
    uint32_t groups;       /* sum of the group sizes taken, powers of two from 16 on, and CONSTRAINTS_PER_CHANNEL; 0: any */
    uint32_t scale_dtypes; /* bit d: scales of enum dtype d; 0: any */
    uint64_t ggml_types;   /* bit t: tensors of enum ggml_type t in a GGUF file; 0: any */
    bool one_file;         /* no sets of GGUF files */
    bool little_endian;    /* nor such files in the other byte order */
    uint16_t out_multiple, in_multiple; /* of a weight's shape; 0: any */
    bool symmetric_only;   /* every zero is 2^(bits-1) */
    bool no_zero_at_zero;  /* no zero of 0 */
    bool no_negative_scales;
    bool no_act_order;     /* no group map but k / group */
    bool no_linear;        /* codes for weights alone have no kernels in Linear layers that are no experts */
    bool no_experts;       /* nor in experts */
    bool no_mxfp4;         /* no MXFP4 codes as they are */
    bool no_rules;         /* one width and group size for all weights, none of the Linear layers float: no `dynamic` */
};

/* What the data says of one weight as the target will hold it. */
struct constraints_facts {
    bool asymmetric;      /* a live zero is not 2^(bits-1) */
    bool zero_at_zero;
    bool negative_scales;
    bool act_order;       /* its group map is not trivial */
    bool ruled;           /* it needs a rule of its own in the config */
};

/* True if the group size is taken; per_channel where one group spans the row, and then the size is the row's. */
bool constraints_group_fits(const struct constraints *constraints, uint64_t group, bool per_channel);
/* The group size for weights that are rounded where the user names none: `usual` if the engine takes it and the target holds it (`held`, ascending, 0
 * ends; NULL: any), else the largest smaller one that both have, else the smallest larger one, else -1, per channel. */
int64_t constraints_default_group(const struct constraints *constraints, const uint16_t *held, uint64_t usual);
/* Holds a weight, as `target` will describe it, against the engine. UNREPRESENTABLE names the weight, what was found and what the engine takes;
 * the caller knows the remedy. NULL constraints take everything. */
enum status constraints_check(const struct constraints *constraints, const struct weight *weight, const struct spec *target,
                              const struct constraints_facts *facts, struct err *err) WARN_UNUSED;
/* "4 or 8"; "any" for 0. Into buffer; returns buffer. */
const char *constraints_bits_text(uint32_t bits, char *buffer, size_t size);
/* "-1, 32, 64 or 128"; "any" for 0. */
const char *constraints_groups_text(uint32_t groups, char *buffer, size_t size);

#endif
