/* What each weight and tensor is to become, from names, options and the target's table alone: what the survey must know before the plan. */
#ifndef REPAQ_AIM_H
#define REPAQ_AIM_H

#include "formats/registry.h"
#include "plan/options.h"

struct aim {
    bool blocks;       /* codes, scales and zeros go into ggml's blocks as they are (codec/ggml_embed.h) */
    bool dense;        /* a float tensor: the target holds no codes, or --keep names it */
    bool unheld;       /* no block holds such codes, and nobody asked for floats: refused, or rounded where that is allowed; dense */
    bool excluded;     /* --exclude names it */
    const char *stuck; /* with blocks: why its inputs stay in activation order though other layers make them (reorder.h); NULL: they do not */
    enum zero_kind zeros; /* how the target keeps those that are not 2^(bits-1); ZERO_MID if dense */
    uint8_t bits;      /* of the codes in the target */
    bool drops_derived; /* static activations, and the target has no place for deq_scale and quant_bias, which must follow from the rest */
    enum activation activation;
    enum dtype dtype;  /* of the scales in the target; of the values if dense */
};

/* What is done to a float tensor that is carried. */
struct aim_tensor {
    enum dtype dtype; /* that it becomes; DTYPE_NONE: its own */
    int8_t add;       /* to every value first, in F32 */
    bool half;        /* the sum is rounded to F16 */
};

struct aims {
    struct aim *weight;  /* owned; [model->weight_count] */
    struct aim_tensor *tensor; /* owned; [model->tensor_count] */
    bool *excluded;      /* owned; [model->tensor_count]: carried tensors that --exclude names */
    bool idle[2];        /* --keep, --exclude: given, and nothing has such a name */
    enum dtype stated;   /* what the config says of the model's floats */
    enum dtype floats;   /* that carried float tensors become; DTYPE_NONE: their own */
};

/* The target's only dtype of scales, or --dtype where it has a choice, or the source's. */
enum dtype aim_scale_dtype(const struct format *target, const struct options *options, enum dtype source);

/* `dense` is the dtype of dequantized weights where --dtype is not given. A bad --keep or --exclude is USAGE. Free with aim_free, also after a
 * failure. */
enum status aim_make(struct aims *aims, const struct model *model, const struct format *target, const struct options *options, enum dtype dense,
                     struct err *err) WARN_UNUSED;
void aim_free(struct aims *aims);

#endif
