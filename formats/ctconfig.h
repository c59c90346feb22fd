/* The quantization_config of compressed-tensors: schemes, and which modules they are for. Read from
 * vllm-project/compressed-tensors:src/compressed_tensors/quantization/{quant_config,quant_scheme,quant_args}.py and utils/match.py. */
#ifndef REPAQ_CTCONFIG_H
#define REPAQ_CTCONFIG_H

#include "base/map.h"
#include "base/regex.h"
#include "formats/source.h"

enum ct_strategy { CT_TENSOR, CT_CHANNEL, CT_GROUP, CT_BLOCK };

/* What one config group says of its modules. */
struct ct_scheme {
    const char *name;        /* "group_0" */
    const char *format;      /* "pack-quantized"; the config's own where the group has none */
    unsigned bits;
    bool floats;             /* type float: FP8, MXFP4, NVFP4 */
    bool symmetric;
    enum ct_strategy strategy;
    int64_t group;           /* CT_GROUP */
    int64_t block[2];        /* CT_BLOCK: rows, columns */
    enum activation activation;
};

/* Names and patterns ("re:", matched at the start) of modules, each with the scheme it stands for. */
struct ct_names {
    struct map exact;        /* module or class -> scheme */
    struct ct_pattern {
        struct regex *regex; /* owned */
        uint32_t scheme;
    } *pattern;              /* owned; in the file's order */
    size_t pattern_count, pattern_capacity;
};

/* Zero-initialise; free with ctconfig_free, also after a failure. Strings live in the source. */
struct ctconfig {
    unsigned version[3];         /* 0.0.0 if not stated */
    struct ct_scheme *scheme;    /* owned */
    size_t scheme_count, scheme_capacity;
    struct ct_names targets, ignore;
};

/* Reads the config of the source. A wrong member is CORRUPT; a transform, a sparsity, quantized outputs, another format, weights of more than 8 bits
 * and activations other than int8 are UNSUPPORTED. */
enum status ctconfig_read(struct source *source, struct ctconfig *config, struct err *err) WARN_UNUSED;
/* The scheme of a module (a Linear): by its exact name, else by the first pattern, else by the class "Linear"; NULL if there is none. *ignored: an
 * entry of `ignore` names it, in one of these ways. */
enum status ctconfig_find(const struct ctconfig *config, const char *module, const struct ct_scheme **scheme, bool *ignored, struct err *err) WARN_UNUSED;
/* MXFP4: 4-bit floats in groups of 32, as the format says. */
bool ctconfig_is_mxfp4(const struct ct_scheme *scheme);
void ctconfig_free(struct ctconfig *config);

#endif
