/* Model families: what Hugging Face, GGUF and Meta call their tensors and hyper-parameters, and what changes on the way. One table a family.
 *
 * Names and keys: ggml-org/llama.cpp:gguf-py/gguf/constants.py, gguf-py/gguf/tensor_mapping.py, conversion/. */
#ifndef REPAQ_ARCH_H
#define REPAQ_ARCH_H

#include "base/slice.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* What becomes of a tensor on the way from Hugging Face to GGUF. */
enum arch_change {
    ARCH_SAME,
    ARCH_TURN_Q,   /* rows of each of num_attention_heads heads go from halves to pairs (ir/view.h) */
    ARCH_TURN_K,   /* the same, of num_key_value_heads heads */
    ARCH_PLUS_ONE, /* 1 is added, in F32 (norms of Gemma) */
    ARCH_SPLIT,    /* stacked gate_up_proj [expert][2 * out][in]: the first half of each expert is this row's, the second is the next row's */
    ARCH_STACKED,  /* [expert][out][in] already, without a suffix */
    ARCH_SWITCHED, /* the same with its suffix, and a bias [expert][out] of each (plan/experts.h) */
    ARCH_BARE,     /* a vector without a suffix, which is .weight in GGUF */
};

/* One row: names without the suffixes .weight and .bias. '#' stands for the number of the layer, '@' for that of an expert, which GGUF stacks. */
struct arch_name {
    const char *hf, *gguf;
    const char *meta; /* in Meta's consolidated.NN.pth; NULL: none */
    enum arch_change change;
};

/* How a key's value follows from config.json. Members are looked for in order, separated by '|', as the converter does. */
enum arch_value {
    ARCH_U32,           /* an integer, or a list of them, which becomes an array of i32 */
    ARCH_F32,
    ARCH_BLOCK_COUNT,   /* the number of layers */
    ARCH_ROPE_SCALING,  /* the keys of rope_parameters or rope_scaling, rope.freq_base included */
    ARCH_ROPE_BASE,     /* rope.freq_base alone */
    ARCH_ROPE_DIM,      /* head_dim, or hidden_size / num_attention_heads */
    ARCH_ROPE_PART,     /* partial_rotary_factor * hidden_size / num_attention_heads */
    ARCH_ROPE_CONTEXT,  /* rope_parameters' original_max_position_embeddings */
    ARCH_CAUSAL,        /* false, where is_causal is false */
    ARCH_GATING,        /* expert_gating_func by name */
    ARCH_FILE_TYPE,     /* general.file_type */
    ARCH_WINDOW,        /* sliding_window, unless sliding_window_pattern is 1 */
};

/* One key of the file: "%s" stands for the architecture. Rows come in the order of the file; where a family has a row for a generic key,
 * it stands in that one's place. */
struct arch_key {
    const char *key;
    enum arch_value value;
    const char *member; /* of config.json: "!hidden_size|n_embd"; '!': the name that transformers writes, where there are several */
    bool required;      /* its absence is an error; else the key is left out */
    double fallback;    /* what it is where config.json does not say; NAN: nothing */
};

/* What transformers fills in where config.json does not say, where that reaches a key: the defaults of its *Config classes
 * (huggingface/transformers:src/transformers/models/, 5.23.0). */
struct arch_default {
    const char *type;   /* config.json's model_type; NULL: all of the family */
    const char *member;
    double value;
    const char *like;   /* instead of the value: that of another member; "head_dim": hidden_size / num_attention_heads. NULL: the value */
};

/* What config.json says of every model of the family that llama.cpp computes, and GGUF does not. */
struct arch_fixed {
    const char *member;
    const char *text; /* a string; NULL: truth */
    bool truth;
};

/* A number that llama.cpp has in its code, and GGUF no key for: config.json may not say another. */
struct arch_built_in {
    const char *member;
    double value;
};

struct arch {
    const char *name;                 /* general.architecture */
    const char *const *classes;       /* config.json's architectures; the first is what a checkpoint from GGUF states. NULL-terminated */
    const char *model_type;           /* of the first class */
    const struct arch_name *names;    /* before arch_names; ends with hf == NULL */
    const struct arch_name *older;    /* of GGUF files that llama.cpp no longer writes, and only read; ends with hf == NULL. NULL: none */
    bool generic_keys;                /* arch_keys come first */
    const struct arch_key *keys;      /* its own; ends with key == NULL. NULL: none */
    const struct arch_default *defaults; /* ends with member == NULL; NULL: none */
    const char *const *left_out;      /* tensors that GGUF does not want; NULL-terminated, or NULL */
    const struct arch_fixed *fixed;   /* ends with member == NULL; NULL: none */
    uint32_t wide_layers;             /* Gemma 2 and 3: query_pre_attn_scalar is head_dim, but hidden_size / num_attention_heads in the size of so many layers
                                       * (ggml-org/llama.cpp:src/models/gemma2.cpp, gemma3.cpp); 0: there is no such member */
    const struct arch_built_in *built_in; /* ends with member == NULL; NULL: none */
    unsigned full_every;              /* the last of so many layers has no window, the others have, by llama.cpp's code; 0: no such rule */
    bool rope_stated;                 /* without rope parameters config.json means a scaling, which is not written unseen */
    bool rope_factors;                /* long_factor and short_factor become tensors (Phi-3) */
    bool rope_freqs;                  /* llama3 scaling becomes a tensor */
    bool cut_embedding;               /* rows of the embedding beyond the tokenizer's size are left out (Gemma 3) */
};

extern const struct arch_name arch_names[];     /* of all families; ends with hf == NULL */
extern const struct arch_key arch_keys[];       /* of most families; ends with key == NULL */

/* The family of config.json's architecture; NULL if it is none of these. */
const struct arch *arch_of_class(const char *name);
/* The family of general.architecture; several classes may share it. */
const struct arch *arch_of_gguf(struct slice name);
/* All families, in a fixed order; NULL past the end. */
const struct arch *arch_at(size_t index);

/* The row of a table with this key; NULL if there is none, or no table. */
const struct arch_key *arch_find_key(const struct arch_key *table, const char *key);

/* A name, taken apart. */
struct arch_match {
    const struct arch_name *row;
    uint32_t layer;      /* UINT32_MAX if the row has none */
    uint32_t expert;     /* likewise */
    struct slice suffix; /* ".weight", ".bias", or empty */
};
/* By Hugging Face's name, or by GGUF's; false if no row has it. Numbers above 99999 match nothing. */
bool arch_match_hf(const struct arch *arch, struct slice name, struct arch_match *match);
bool arch_match_gguf(const struct arch *arch, struct slice name, struct arch_match *match);
/* Writes `pattern` with its numbers and the suffix into buffer; false if it does not fit. */
bool arch_write(const char *pattern, const struct arch_match *match, char *buffer, size_t size);

#endif
