/* What the user asked of a conversion, beyond source, destination and format. */
#ifndef REPAQ_OPTIONS_H
#define REPAQ_OPTIONS_H

#include "formats/format.h"
#include "ir/filetype.h"
#include "plan/constraints.h"

#include <stdbool.h>
#include <stdint.h>

struct mix_rules;

struct options {
    enum filetype type;       /* --type of a GGUF; FILETYPE_NONE: auto */
    const struct mix_rules *mix; /* llama-quantize: its options, with this type; NULL: none of them */
    enum dtype dtype;         /* --dtype; DTYPE_NONE: keep */
    unsigned bits;            /* --bits; 0: keep */
    int64_t group;            /* --group-size; 0: keep, -1 per channel */
    bool asymmetric;          /* --asym: quantize with zero points */
    enum variant variant;     /* --layout */
    bool weights_only;        /* --weights-only: activation parameters may be dropped */
    bool requantize;          /* --allow-requantize: codes may be derived anew from quantized weights */
    const char *keep;         /* --keep REGEX: weights that stay float; NULL: none */
    const char *exclude;      /* --exclude REGEX: tensors that are dropped; NULL: none */
    const struct constraints *constraints; /* --for: what the engine takes of the target; NULL: anything */
    bool exact;               /* --exact: refuse rounded scales and floats */
    uint64_t shard_bytes_max; /* --max-shard-size; 0: the source's sharding */
    bool keep_scale_dtype;    /* ms_to_vllm: scales keep their dtype whatever the target's engines read */
    bool no_group_of;         /* ms_to_vllm: no g_idx */
    const char *one_file;     /* ms_to_vllm: everything in one file of this name; NULL: shards */
};

#endif
