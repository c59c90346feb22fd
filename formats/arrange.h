/* The tensors of a checkpoint with Hugging Face's names, as a GGUF file of its family has them: renamed, turned, stacked, in the converter's order. */
#ifndef REPAQ_ARRANGE_H
#define REPAQ_ARRANGE_H

#include "base/regex.h"
#include "container/jsondoc.h"
#include "formats/arch/arch.h"
#include "formats/imatrix.h"
#include "ir/ggml.h"
#include "ir/model.h"

/* One tensor of the file: floats, which model.tensor[source] holds (a view where they are turned or stacked), or quantized weights one below the other. */
struct arranged {
    const char *name;        /* "blk.0.attn_q.weight"; in the model's arena */
    const uint64_t *shape;   /* [rank]; as Hugging Face has it, the innermost last. In the model's arena */
    uint8_t rank;
    uint32_t source;         /* index into model.tensor; MODEL_NONE: weights */
    const uint32_t *weight;  /* [weight_count] indices into model.weight, all of one shape. In the model's arena */
    uint32_t weight_count;
    uint64_t head;           /* of weights: rows of a head that go from halves to pairs; 0: none */
    bool plus_one;           /* 1 is added to every value, in F32; of F16 tensors in F16 (conversion/gemma.py: torch adds in the tensor's own dtype) */
    bool always_f32;         /* whatever the type of the file (conversion/base.py, ModelBase.prepare_tensors) */
    bool chosen;             /* `type` is what the tensor gets, by the rules of llama-quantize (plan/mix.h), and values that ggml would not take are refused */
    enum ggml_type type;
    const char *counted_as;  /* its name in an importance matrix, where that is another; NULL: `name` */
    const struct imatrix_entry *importance; /* of the columns of each of its matrices; NULL: none. Borrowed from `imatrix` */
};

/* Zero-initialise; free with arrange_free. */
struct arrangement {
    const struct arch *arch;
    const struct imatrix *imatrix; /* borrowed; NULL: none */
    struct arranged *tensor;  /* owned; in the order of the file */
    size_t count, capacity;
    struct left_out {
        uint32_t tensor;      /* index into model.tensor */
        const char *why;
    } *left;                  /* owned; what the file does not want */
    size_t left_count, left_capacity;
    size_t unweighed, unallowed; /* tensors that lack an importance matrix, and blocks that may not be rounded anew: where they are only counted */
};

/* Adds views to the model. `config` is config.json; tensors that `exclude` (NULL: none) names are left out; the embedding ends after `tokens` rows (0: with
 * its own). What is made of config.json (ropefactors.h) comes first. A class that no family has is UNSUPPORTED, and so is a name; an expert that is missing is
 * CORRUPT. */
enum status arrange_make(struct arrangement *arrangement, struct model *model, const struct jsondoc *config, const struct regex *exclude, uint64_t tokens,
                         struct err *err) WARN_UNUSED;
void arrange_free(struct arrangement *arrangement);

#endif
