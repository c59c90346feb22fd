/* What the user asked of a conversion, beyond source, destination and format. */
#ifndef REPAQ_OPTIONS_H
#define REPAQ_OPTIONS_H

#include "container/ggufile_split.h"
#include "formats/format.h"
#include "ir/filetype.h"
#include "plan/constraints.h"

#include <stdbool.h>
#include <stdint.h>

struct mix_rules;

/* How a GGUF is split. */
enum split_way {
    SPLIT_NONE,
    SPLIT_STORED, /* by sums of what tensors take, as llama.cpp's converter does */
    SPLIT_PADDED, /* by sums of that with padding, as llama-gguf-split does */
    SPLIT_KEPT,   /* as the source is */
};
struct split {
    enum split_way way;
    struct ggufile_split_rule rule; /* of the second and the third */
};

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
    bool sizes_only;          /* llama-quantize --dry-run: what is not allowed, or needs an importance matrix, is warned of and not refused */
    const char *keep;         /* --keep REGEX: weights that stay float; NULL: none */
    const char *exclude;      /* --exclude REGEX: tensors that are dropped; NULL: none */
    const struct constraints *constraints; /* --for: what the engine takes of the target; NULL: anything */
    bool exact;               /* --exact: refuse rounded scales and floats */
    uint64_t shard_bytes_max; /* --max-shard-size; 0: the source's sharding */
    struct split split;       /* of a GGUF */
    bool converter;           /* convert_hf_to_gguf: its types, of a ternary file as well, and no mix */
    bool fp8_as_q8;           /* FP8 weights become Q8_0, whatever the file's type */
    bool verbatim;            /* GGUF from GGUF: order and metadata stay the source's, instead of what llama-quantize COPY makes of them */
    bool keep_scale_dtype;    /* ms_to_vllm: scales keep their dtype whatever the target's engines read */
    bool no_group_of;         /* ms_to_vllm: no g_idx */
    const char *one_file;     /* ms_to_vllm: everything in one file of this name; NULL: shards. Of a GGUF: its name without the numbers of shards */
};

#endif
