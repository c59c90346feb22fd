/* The plan: every output file, tensor, byte offset and step, as a pure function of description, survey, target and options. */
#ifndef REPAQ_PLAN_H
#define REPAQ_PLAN_H

#include "base/text.h"
#include "codec/ggml_grid.h"
#include "formats/format.h"
#include "formats/gguf.h"
#include "plan/options.h"
#include "plan/survey.h"

/* How one output tensor is made. */
enum step {
    STEP_COPY,     /* the source tensor's bytes */
    STEP_CAST,     /* plain floats to another dtype */
    STEP_CODES,    /* codes from the source's layout to the target's */
    STEP_SCALES,
    STEP_ZEROS,       /* packed fields or offsets */
    STEP_BETA,
    STEP_GROUP_OF,    /* g_idx: the source's, or k / group */
    STEP_SHAPE,       /* [out, in] */
    STEP_DENSE,       /* the weight as floats */
    STEP_EMBED,       /* codes, scales and zeros in ggml's blocks */
    STEP_BLOCKS,      /* values as a ggml type: floats that 1 is added to, or blocks */
    STEP_INPUT_SCALE, /* of static activations, as the next three */
    STEP_INPUT_ZERO,
    STEP_DEQ_SCALE,
    STEP_QUANT_BIAS,
    STEP_COUNT,
};
const char *plan_step_name(enum step step); /* "copy" */

/* How exact it is (cli.md; exact-paths.md section 1). Ordered: the worse is the greater. */
enum exactness { EXACTNESS_BYTES, EXACTNESS_EXACT, EXACTNESS_ROUNDED, EXACTNESS_LOSSY, EXACTNESS_COUNT };
const char *plan_exactness_name(enum exactness exactness); /* "bytes" */

/* What stands in another order than in the source, because inputs are in the order of their groups (reorder.h). */
enum moved { MOVED_NONE, MOVED_ROWS, MOVED_INPUTS };
const char *plan_moved_name(enum moved moved); /* "rows" */

struct output_tensor {
    const char *name;
    const uint64_t *shape; /* [rank] */
    uint64_t offset, bytes; /* in its file */
    uint32_t file;          /* index into plan.file */
    uint32_t source;        /* COPY, CAST: tensor; EMBED, BLOCKS: in plan.arrangement; else weight */
    uint8_t rank;
    enum dtype dtype;       /* DTYPE_NONE: of no plain numbers, see type */
    enum ggml_type type;    /* in a GGUF file; else GGML_COUNT */
    enum step step;
    enum exactness exactness;
    enum moved moved;       /* in a GGUF file */
    bool checked;           /* COPY: what ggml refuses of the type is refused (ggml_codec_valid) */
    uint64_t zeroed;        /* CAST, DENSE: values that were not zero and are in this dtype */
    double max_relative;    /* largest relative error of what is rounded; 0: of none, or not measured */
    double max_error;       /* of a computed quant_bias, in its own units */
};

struct output_file {
    const char *name;
    struct text header; /* owned; the bytes before the first tensor */
    uint64_t bytes;
};

/* A source tensor that has no place in the target, and why. */
struct dropped {
    uint32_t tensor;
    const char *why;
};

struct plan {
    const struct model *model;   /* borrowed */
    const struct survey *survey; /* borrowed */
    const struct aims *aims;     /* borrowed */
    const struct arrangement *arrangement; /* borrowed; NULL: the target is no GGUF */
    const struct format *target;
    struct arena arena;
    struct ggml_grids grids;     /* of the types in a GGUF; their tables are in the arena */
    struct spec *spec;           /* [model->weight_count]; in the arena; grid GRID_DENSE: becomes floats */
    size_t kept_count;           /* weights that keep their codes */
    struct file_names names;
    struct output_tensor *tensor; /* owned; by file, then by offset */
    size_t tensor_count, tensor_capacity;
    struct output_file *file;    /* owned */
    size_t file_count;
    struct dropped *dropped;     /* owned */
    size_t dropped_count, dropped_capacity;
    const char **warning;        /* owned array */
    size_t warning_count, warning_capacity;
    char stem[256];              /* of a GGUF: how the converter names the file, before its type (formats/gguf.h) */
    enum filetype file_type;     /* of a GGUF: general.file_type */
    const char *index_name;      /* "model.safetensors.index.json", NULL for one file */
    uint64_t tensor_bytes;       /* sum over tensors: total_size */
    uint64_t file_bytes;         /* sum over files */
    bool symmetric, act_order;   /* of the data */
    bool no_group_of;
    bool big_endian;             /* tensor data of a GGUF are written in that order */
    enum variant variant;        /* --layout */
    size_t count_of[EXACTNESS_COUNT];
    struct round_tally *rounding; /* [model->weight_count], in the arena; NULL where no codes are rounded anew */
    double max_relative;         /* largest relative error of a rounded value */
    uint64_t zeroed;             /* values that were not zero and are, in the dtype of floats */
    const char *max_relative_of; /* its tensor; NULL if nothing is rounded */
};

/* What a plan follows from; all borrowed. */
struct plan_input {
    const struct model *model;
    const struct survey *survey;
    const struct aims *aims;
    const struct format *target;
    const struct options *options;
    const struct gguf_input *gguf; /* of a GGUF; NULL: the target is none */
};
/* Makes the plan or refuses. Free with plan_free, also after a failure. */
enum status plan_make(struct plan *plan, const struct plan_input *input, struct err *err) WARN_UNUSED;
/* True if weight `index` keeps its codes: it is neither dequantized nor excluded. */
bool plan_keeps(const struct plan *plan, size_t index);
/* What rounding did to the codes of weight `index`; NULL where they are the source's. */
const struct round_tally *plan_rounding(const struct plan *plan, size_t index);
/* The row of the target's table that a weight which keeps its codes is stored by. */
const struct form *plan_form(const struct plan *plan, size_t index);
/* refused[w], [model->weight_count]: the target cannot hold weight w as it is (UNREPRESENTABLE, or UNSUPPORTED for codes of another grid). Other errors
 * end it. */
enum status plan_refused(const struct plan_input *input, bool *refused, struct err *err) WARN_UNUSED;
void plan_free(struct plan *plan);
/* Frees the headers once they are written. */
void plan_forget_headers(struct plan *plan);

/* Appends a warning in the plan's arena. */
enum status plan_warn(struct plan *plan, struct err *err, const char *format, ...) PRINTF_LIKE(3, 4) WARN_UNUSED;

#endif
