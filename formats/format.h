/* One descriptor per dialect. Adding a format is one source, one line in formats.def, one fixture folder and one page. */
#ifndef REPAQ_FORMAT_H
#define REPAQ_FORMAT_H

#include "formats/source.h"
#include "formats/summary.h"

#include <stdbool.h>

#define BID_ASKED 5 /* the least: it may be this format, but nothing says so, and only --from decides */

/* A probe's answer: 0 (not this format) to 100, and why. */
struct bid {
    int score;
    char evidence[200];
};

/* How an ambiguous GPTQ v1 zero is to be read: ZERO_PLAIN stands for "not decided". */
struct read_options {
    enum zero_rule v1_rule;
    const char *description; /* msModelSlim: this file instead of the one beside the weights; NULL: that one */
    const char *llama_version; /* meta: as metaparams.h has it; NULL: guessed from params.json */
    bool as_stored;     /* GGUF: the file's own names, rows and stacks, instead of Hugging Face's */
    bool lenient;       /* --lenient: GGUF files with gaps, or tensors in another order than their list */
    bool format_forced; /* --from: the label in the file is overridden, also against the data */
};

/* Group sizes in one checkpoint. */
enum group_rule {
    GROUPS_EACH,              /* every weight has its own */
    GROUPS_SHARED,            /* one for all */
    GROUPS_SHARED_OR_CHANNEL, /* one for all that are not per channel */
};

/* What a format can hold: the planner's and `repaq formats`' only source, beside its forms. */
struct capability {
    bool reads, writes;
    enum grid grid;         /* of its weights; GRID_DENSE: floats */
    bool zero_at_zero;      /* holds zero = 0 */
    bool act_order;         /* holds a non-trivial group map */
    bool even_groups;       /* and only one whose groups have as many columns as groups in order have */
    bool short_group;       /* holds a last group that is shorter than the others */
    bool stacks;            /* holds the experts of a layer as one weight of three dimensions (floats of 4 bits) */
    bool mixed_bits;        /* several widths in one checkpoint */
    bool blocks;            /* holds codes in ggml's blocks, of a type that is chosen for every tensor (codec/ggml_embed.h), beside floats: it has no forms */
    enum group_rule groups;
    const uint16_t *group_size; /* those that it holds, ascending, 0 ends; NULL: any, and per channel */
    uint32_t scale_dtypes;  /* bit d: holds scales of enum dtype d */
    const char *reencoded;  /* parameters of dialects that are read and not written: their values are kept in another encoding; NULL: there are none */
    uint16_t out_warn, in_warn; /* multiples that engines of this format want; others are written with a warning (0: none) */
    const char *warn_why;   /* who wants them */
    const char *warn_short; /* who refuses a short last group in this format; NULL: nobody */
    const char *warn_order; /* who refuses activation order in this format; NULL: nobody */
    const char *warn_asymmetric; /* who refuses asymmetric zeros in this format; NULL: nobody */
};

/* Names that depend on what is written. */
struct file_names {
    const char *stem;      /* of weight files: "model" */
    const char *side_file; /* beside config.json; NULL if none */
};

struct format {
    const char *name;        /* as in cli.md */
    const char *title;       /* one line for `repaq formats` */
    struct capability can;
    const struct form *form; /* [form_count]; none: weights are floats */
    uint8_t form_count;
    enum zero_rule zero_rule;
    const char *claim;       /* what its config says of weights whose zeros are all 2^(bits-1): "sym: true"; NULL: nothing */
    struct file_names names; /* side_file: a copy of quantization_config that older engines read, unless there is `list` */

    void (*probe)(const struct source *source, struct bid *bid);
    /* Binds names, shapes and extents to weights; never touches weight bytes. model->format is set by the caller. */
    enum status (*read)(struct source *source, const struct read_options *options, struct model *model, struct err *err);
    /* Fills config.json's quantization_config; NULL if the format has none. */
    void (*describe)(const struct summary *summary, struct jsondoc *config);
    /* Other members of config.json that hold the same object; NULL: quantization_config alone. NULL-terminated. */
    const char *const *config_keys;
    /* The text of the side file that lists every tensor; NULL if there is none. */
    enum status (*list)(const struct summary *summary, const struct tensor_list *listing, struct text *text, struct err *err);
    /* Other names than the format's own, where the largest scheme's form decides; in the arena. NULL: never. */
    enum status (*rename)(const struct form *form, enum variant variant, struct arena *arena, struct file_names *names, struct err *err);
    bool arranged;        /* one file of tensors as formats/arrange.h has them */
    const char *metadata; /* `format` in the files' __metadata__; NULL: "pt" */
};

#define X(symbol) extern const struct format symbol##_format;
#include "formats/formats.def"
#undef X

#endif
