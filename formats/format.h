/* One descriptor per dialect. Adding a format is one source, one line in formats.def, one fixture folder and one page. */
#ifndef REPAQ_FORMAT_H
#define REPAQ_FORMAT_H

#include "codec/layout.h"
#include "formats/source.h"

#include <stdbool.h>

/* A probe's answer: 0 (not this format) to 100, and why. */
struct bid {
    int score;
    char evidence[200];
};

/* How an ambiguous GPTQ v1 zero is to be read: ZERO_PLAIN stands for "not decided". */
struct read_options {
    enum zero_rule v1_rule;
    const char *description; /* msModelSlim: this file instead of the one beside the weights; NULL: that one */
    bool format_forced; /* --from: the label in the file is overridden, also against the data */
};

/* One tensor of a quantized weight: name = weight + suffix. */
struct part {
    enum role role;
    const char *suffix; /* ".qweight" */
    bool required;      /* in what is read */
};

/* A code width the format can hold, and where its fields live. */
struct width {
    uint8_t bits;
    enum layout_id codes, zeros;
};

/* What a format can hold: the planner's and `repaq formats`' only source. */
struct capability {
    bool reads, writes;
    bool asymmetric;        /* holds zeros other than 2^(bits-1) */
    bool zero_at_zero;      /* holds zero = 0 */
    bool act_order;         /* holds a non-trivial group map */
    bool mixed;             /* several widths and group sizes in one checkpoint */
    uint32_t scale_dtypes;  /* bit d: holds scales of enum dtype d */
    uint16_t out_warn, in_warn; /* multiples that engines of this format want; others are written with a warning (0: none) */
    const char *warn_why;   /* who wants them */
    const char *warn_asymmetric; /* who refuses asymmetric zeros in this format; NULL: nobody */
};

/* What the writer needs to know to describe a checkpoint in config.json. */
struct summary {
    unsigned bits;              /* of most weights */
    int64_t group;              /* of most weights; -1 per channel */
    bool symmetric;             /* every live zero is 2^(bits-1) */
    bool act_order;             /* some group map is not trivial */
    bool lm_head;               /* lm_head is quantized */
    const char *const *dense;   /* full module names of Linear layers left float, sorted */
    size_t dense_count;
    const char *const *block_module; /* quantized module names inside a decoder block when they are the same in all; else NULL */
    size_t block_module_count;
    const struct mixed_rule *mixed; /* weights that differ from bits and group, sorted by name */
    size_t mixed_count;
};
struct mixed_rule {
    const char *name; /* module */
    unsigned bits;
    int64_t group;
};

struct format {
    const char *name;        /* as in cli.md */
    const char *title;       /* one line for `repaq formats` */
    struct capability can;
    const struct width *width; /* [width_count] */
    uint8_t width_count;
    const struct part *part; /* [part_count]; the codes first */
    uint8_t part_count;
    enum zero_rule zero_rule;
    enum order param_order;
    const char *side_file;   /* config copy that older engines read; NULL if none */
    const char *stem;        /* of weight files: "model" */

    void (*probe)(const struct source *source, struct bid *bid);
    /* Binds names, shapes and extents to weights; never touches weight bytes. model->format is set by the caller. */
    enum status (*read)(struct source *source, const struct read_options *options, struct model *model, struct err *err);
    /* Fills config.json's quantization_config; NULL if the format has none. */
    void (*describe)(const struct summary *summary, struct jsondoc *config);
};


#define X(symbol) extern const struct format symbol##_format;
#include "formats/formats.def"
#undef X

#endif
