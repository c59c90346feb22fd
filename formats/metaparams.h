/* params.json of Meta's LLaMA checkpoints, and the config.json and generation_config.json that it stands for (formats/pth.md sections 8.1 and 9). */
#ifndef REPAQ_METAPARAMS_H
#define REPAQ_METAPARAMS_H

#include "container/jsondoc.h"
#include "ir/dtype.h"

/* What params.json leaves open is named by the model's version, as transformers' converter has it. */
struct metaparams_version {
    const char *name;          /* as that converter's --llama_version: "2"; "code" is not one of its own */
    uint64_t positions;        /* max_position_embeddings */
    int64_t bos, eos;
    double rope_factor;        /* of rope_scaling; 0: none */
    bool tied;                 /* lm_head is a copy of the embedding */
};
/* By name; NULL if unknown. */
const struct metaparams_version *metaparams_version(const char *name);
/* "1, 2, 3, ..." into buffer; returns buffer. */
const char *metaparams_versions(char *buffer, size_t size);

struct metaparams {
    uint64_t dim, layers, heads, kv_heads;
    int64_t vocab;              /* -1: not stated */
    uint64_t multiple_of;       /* 256 where not stated */
    double multiplier;          /* ffn_dim_multiplier; 0: not stated */
    double norm_eps, rope_theta;
    bool scaled_rope;
};

/* Reads and checks the document (also inside "model"). CORRUPT: what is missing, or what does not divide; UNSUPPORTED: parameters of other architectures, by
 * name. */
enum status metaparams_read(struct metaparams *params, const char *where, const struct jsondoc *document, struct err *err) WARN_UNUSED;
/* The version that these parameters and this many rows of the embedding are taken for; *why says by what. */
const struct metaparams_version *metaparams_guess(const struct metaparams *params, uint64_t vocab, const char **why);
/* The size of the feed-forward layer by Meta's formula (meta-llama/llama:llama/model.py, FeedForward). */
uint64_t metaparams_hidden(const struct metaparams *params);

/* What the tensors say. */
struct metaparams_found {
    uint64_t vocab, hidden; /* rows of the embedding, and of w1 */
    enum dtype dtype;       /* of the embedding */
};
/* Appends config.json and generation_config.json. */
enum status metaparams_config(const struct metaparams *params, const struct metaparams_version *version, const struct metaparams_found *found,
                              struct text *text, struct err *err) WARN_UNUSED;
enum status metaparams_generation(const struct metaparams_version *version, struct text *text, struct err *err) WARN_UNUSED;

#endif
