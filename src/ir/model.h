/* A checkpoint as names, shapes, dtypes and byte extents, and the quantized weights bound from them. Never weight bytes. */
#ifndef REPAQ_MODEL_H
#define REPAQ_MODEL_H

#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "ir/dtype.h"
#include "ir/spec.h"
#include "ir/view.h"

#include <stdbool.h>
#include <stdint.h>

#define MODEL_NONE UINT32_MAX

/* The tensors that together are one quantized linear layer. */
enum role {
    ROLE_CODES,
    ROLE_SCALES,
    ROLE_ZEROS,       /* packed fields or offsets */
    ROLE_BETA,
    ROLE_GROUP_OF,
    ROLE_SHAPE,       /* [out, in] as integers (compressed-tensors) */
    ROLE_SCALES2,     /* scales of the scales (bitsandbytes) */
    ROLE_TABLE,       /* the values of a codebook */
    ROLE_TABLE2,      /* the values that code the scales */
    ROLE_STATE,       /* a description of the weight as text (bitsandbytes) */
    ROLE_INPUT_SCALE, /* of static activations, as the next three */
    ROLE_INPUT_ZERO,
    ROLE_DEQ_SCALE,   /* input scale times weight scale (msModelSlim) */
    ROLE_QUANT_BIAS,  /* the layer bias and the input zero in units of deq_scale (msModelSlim) */
    ROLE_LAYER_BIAS,
    ROLE_DENSE,
    ROLE_COUNT
};
const char *model_role_name(enum role role); /* "codes" */

/* What becomes of a stored tensor when the checkpoint is converted. */
enum fate {
    FATE_CARRY,        /* no weight claims it: carried through under out_name, and reported */
    FATE_CLAIMED,      /* a role of model.weight[peer] */
    FATE_PIECE,        /* other tensors are gathered from it (ir/view.h), and it is nothing by itself */
    FATE_ARRANGED,     /* a view that a GGUF file is made of; what it is gathered from keeps its fate */
    FATE_DROP_ZERO,    /* dropped when all its values are zero (norm bias), else R-NORMBIAS */
    FATE_DROP_TWIN,    /* dropped when bytewise equal to tensor[peer], else R-NORMBIAS */
};

struct tensor {
    const char *name;      /* in the arena */
    const char *out_name;  /* the name that a conversion gives it; usually == name */
    const uint64_t *shape; /* [rank]; in the arena */
    uint64_t offset;       /* bytes from the start of its file */
    uint64_t bytes;
    const char *part_of;   /* the name of the stored tensor that it was taken from, beside which it stands; NULL: it is one, or nothing follows */
    const uint32_t *order; /* [shape[0]]: the row at r is row order[r] of what is stored, or gathered; NULL: they stand as they are. In the arena */
    const struct view *view; /* gathered from others, and `offset` says nothing; NULL: stored. In the arena */
    uint32_t file;         /* index into model.file */
    uint32_t peer;         /* see fate; else MODEL_NONE */
    uint8_t rank;
    uint8_t swapped;       /* 1 + the ggml type whose words its file has big endian; 0: little endian, as everywhere else */
    int8_t shift;          /* added to every value, in F32, when it becomes a tensor of Hugging Face's: -1 for Gemma's norms in GGUF */
    bool switched;         /* a stack of experts as MLX's switch layers hold it, and GGUF: no float checkpoint stores such a one */
    bool shortened;        /* the format left out rows at its end that the model has no use for (embeddings beyond the tokens, of Gemma 3 in GGUF) */
    bool foreign;          /* of a GGUF file whose family has no name for it in Hugging Face's format */
    enum dtype dtype;
    enum fate fate;
};

/* What a checkpoint's config claims of a weight's zeros, to be held against the data. */
enum claim {
    CLAIM_NONE,      /* nothing */
    CLAIM_SYMMETRIC, /* sym: true: every zero is 2^(bits-1) */
};

struct weight {
    const char *name; /* module name, without the suffix of a role: "model.layers.0.mlp.up_proj" */
    uint64_t out, in;
    uint64_t groups;  /* per output row: ceil(in / spec.group) */
    struct spec spec;
    enum claim claim;
    const struct weight *origin; /* in the arena: the weight as stored, where this one's codes are rounded anew from its values; NULL: these are stored */
    const uint32_t *row_order, *column_order; /* [out] or [in], not both: at r stands the stored output channel, or input column, order[r]; NULL: as stored.
                                                 Of codes, parameters and the group map alike (plan/decode.h, params.h). In the arena */
    bool unset_group_of; /* a negative entry in the group map says that it is not set, instead of counting from the end (compressed-tensors) */
    bool foreign;        /* as a tensor's */
    uint32_t role[ROLE_COUNT]; /* index into model.tensor, or MODEL_NONE */
};

struct model_file {
    const char *name; /* relative to model.dir */
    uint64_t bytes;
};

/* Zero-initialise; free with model_free. Everything inside lives in the arena or in the growing arrays here. */
struct model {
    struct arena arena;
    const char *dir;          /* the checkpoint's directory */
    const struct file_ops *ops; /* that its files are opened with; NULL: those of whoever opens them */
    const char *format;       /* name in formats.def */
    struct model_file *file;  /* owned */
    size_t file_count, file_capacity;
    struct tensor *tensor;    /* owned; in the order of files, then of headers */
    size_t tensor_count, tensor_capacity;
    struct weight *weight;    /* owned; sorted by name */
    size_t weight_count, weight_capacity;
    struct map tensor_by_name;
    const char **note;        /* owned array; what a reader decided that a user should know */
    size_t note_count, note_capacity;
    const char *config;       /* config.json's text (config_bytes), NULL if there is none */
    size_t config_bytes;
    const char *name_prefix;  /* goes before the names of tensors that are added; NULL: nothing */
    uint64_t shard_bytes;     /* size of output shards where none is asked for; 0: one for each source file */
    bool sharded;             /* read through an index, or from a numbered set */
    bool v1_decided;          /* the user decided how v1 zeros are read: no ambiguity is looked for */
};

void model_free(struct model *model);
/* Appends; *index may be NULL. Duplicate tensor names are CORRUPT and name both files. out_name becomes name, fate CARRY, peer MODEL_NONE. */
enum status model_add_file(struct model *model, const char *name, uint64_t bytes, uint32_t *index, struct err *err) WARN_UNUSED;
enum status model_add_tensor(struct model *model, const struct tensor *tensor, uint32_t *index, struct err *err) WARN_UNUSED;
/* All roles MODEL_NONE, spec zero; the caller fills the rest through the returned index. */
enum status model_add_weight(struct model *model, const char *name, uint32_t *index, struct err *err) WARN_UNUSED;
enum status model_add_note(struct model *model, struct err *err, const char *format, ...) PRINTF_LIKE(3, 4) WARN_UNUSED;
/* Index of the tensor, or MODEL_NONE. */
uint32_t model_find(const struct model *model, struct slice name);
/* Appends a view: shape, rank and dtype say what it is, bytes follow. Its pieces must be there (and get FATE_PIECE), its rows must be whole rows of each
 * piece and fit the shape; what does not is a CORRUPT. It takes the file of its first piece. */
enum status model_add_view(struct model *model, const struct tensor *tensor, const struct view *view, uint32_t *index, struct err *err) WARN_UNUSED;
/* Appends a tensor of strides (view.stride, of which it takes a copy): offset, file, shape, dtype and bytes say the rest. An element outside the file is
 * CORRUPT. */
enum status model_add_strided(struct model *model, const struct tensor *tensor, const struct view *view, struct err *err) WARN_UNUSED;
/* Gives tensor to weight as role: fate CLAIMED. The role must be free. */
void model_claim(struct model *model, uint32_t weight, enum role role, uint32_t tensor);
/* Sorts weights bytewise by name and renumbers the peers of their tensors. */
void model_sort_weights(struct model *model);
/* "dir/name" of file index in the arena, or NULL with *err filled. */
char *model_path(struct model *model, uint32_t file, struct err *err);
/* "FILE: TENSOR" for messages: the file's name and the tensor's name, in buffer; returns buffer. */
const char *model_where(const struct model *model, uint32_t tensor, char *buffer, size_t size);

/* Elements of a shape; shape products were checked when the tensor was read. */
uint64_t model_elements(const struct tensor *tensor);
/* "[2, 3]" into buffer; returns buffer. */
const char *model_shape_text(const struct tensor *tensor, char *buffer, size_t size);
/* True if rank 2 and shape (a, b). */
bool model_is_2d(const struct tensor *tensor, uint64_t a, uint64_t b);

#endif
