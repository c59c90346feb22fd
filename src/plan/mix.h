/* Which type each tensor of a quantized GGUF file gets: the mixes of llama-quantize, their exceptions and the options that overrule them.
 * Facts: ggml-org/llama.cpp:src/llama-quant.cpp; formats/ggml-types.md section 3. */
#ifndef REPAQ_MIX_H
#define REPAQ_MIX_H

#include "base/regex.h"
#include "formats/gguf.h"
#include "ir/filetype.h"

/* --tensor-type PATTERN=TYPE. */
struct mix_override {
    struct regex *pattern; /* searched in the tensor's name; owned by whoever made it */
    enum ggml_type type;
};

/* What is asked for. */
struct mix_rules {
    enum filetype type;                  /* of the file */
    enum ggml_type output, embedding;    /* --output-tensor-type, --token-embedding-type; GGML_COUNT: none */
    const struct mix_override *override; /* [override_count]; the first that fits a tensor counts */
    size_t override_count;
    bool pure;                           /* --pure: no mix, the file's type for all that is quantized */
    bool leave_output;                   /* --leave-output-tensor */
    bool importance;                     /* an importance matrix is given */
    bool strict;                         /* blocks become no floats either, unless they may be rounded anew */
};

/* A tensor of the file. */
struct mix_tensor {
    const char *name;      /* "blk.0.attn_q.weight" */
    const uint64_t *shape; /* [rank], the innermost last; outer dimensions of 1 are none */
    uint8_t rank;
    enum ggml_type stored; /* what it keeps where no rule gives it another */
    enum ggml_type type;   /* out */
    bool fell_back;        /* out: its rows are no whole blocks of the type that the mix has for it */
    bool needs_importance; /* out: the result would be of no use without an importance matrix */
};

/* Chooses for all tensors of a file; their order is llama-quantize's (mix_before), because the mixes count. UNREPRESENTABLE where no type fits a shape;
 * CORRUPT where a name has no layer of the model and the mix asks for it. */
enum status mix_choose(const struct mix_rules *rules, const struct gguf_hyper *hyper, struct mix_tensor *tensor, size_t count, struct err *err) WARN_UNUSED;
/* Where the file has no type of its own (auto): the type that an option names for this tensor, or `stored` where none does. Errors as mix_choose. */
enum status mix_overrule(const struct mix_rules *rules, const struct gguf_hyper *hyper, struct mix_tensor *tensor, struct err *err) WARN_UNUSED;
/* The order of llama-quantize's output: by the number of the layer, what has none first, then bytewise by name. <0, 0, >0. */
int mix_before(const char *a, const char *b);

#endif
