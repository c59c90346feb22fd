/* What goes into a GGUF file before its tensors: metadata of model, hyper-parameters and tokenizer, and the list of tensors. */
#ifndef REPAQ_GGUF_H
#define REPAQ_GGUF_H

#include "formats/arrange.h"
#include "formats/ggufprune.h"
#include "formats/source.h"
#include "container/ggufile_split.h"
#include "ir/ggml.h"

/* A pair that is set, whatever the source has under this key. */
struct gguf_pair {
    const char *key;
    enum ggufile_kind kind; /* a string, or a number or bool */
    uint64_t bits;          /* of a number, in its low bytes */
    const char *text;       /* of a string */
};

/* What the user says of the file. */
struct gguf_options {
    const char *name;     /* general.name; NULL: from the directory's name */
    const char *metadata; /* a JSON file of general.* values; NULL: none */
    const char *pre;      /* tokenizer.ggml.pre; NULL: recognised */
    bool big_endian;
    bool vocab_only;      /* no tensors */
    const struct gguf_pair *pair; /* [pair_count]: set at the end, in this order (of a GGUF source) */
    size_t pair_count;
    struct ggufprune_list prune;   /* layers that are left out (of a GGUF source) */
    const struct imatrix *imatrix; /* importance of columns; NULL: none */
};

/* What the mixes of types look at. */
struct gguf_hyper {
    struct slice arch; /* general.architecture */
    uint64_t layers, heads, key_heads, experts; /* 0: none; heads of the first layer */
};

struct ggufcopy;

/* What a file is made of; all borrowed. */
struct gguf_input {
    const struct arrangement *arrangement;
    struct source *source, *base; /* base: NULL if not given */
    const struct jsondoc *config;
    const struct gguf_options *options;
    const struct ggufcopy *copy; /* the source is a GGUF file itself (formats/ggufcopy.h); NULL: it is none */
};

/* One tensor of the file. */
struct gguf_tensor {
    const char *name;
    const uint64_t *shape; /* [rank], the innermost last */
    uint8_t rank;
    enum ggml_type type;
    uint64_t bytes;
    uint64_t offset;       /* out: from the start of the file */
};

/* What the file holds. */
struct gguf_listing {
    uint32_t file_type;         /* general.file_type */
    struct gguf_tensor *tensor; /* [count] */
    size_t count;
    bool verbatim;              /* of a GGUF source: its pairs as they are */
    struct ggufile_split_claim claim; /* which file of how many the header is for: the first has the metadata */
    size_t first, held;         /* its tensors: [held] from `first` */
    uint64_t bytes;             /* out: of the file */
    char unread[256];           /* out: members of README.md's front matter that would be keys and are not read; cut at that length */
    char stem[256];             /* out: "Qwen2-0.5B-Instruct": how its file is named, before the type; cut at that length */
    uint64_t tokens;            /* out: of the vocabulary */
    uint64_t left_tokens;       /* out: tokens of the tokenizer that are beyond it */
    char left_token[104];       /* out: the first of these; cut at that length */
    uint32_t renumbered_tokens; /* out: added tokens that have other ids than the tokenizer's files say */
    bool no_vocabulary;         /* out: neither source nor base has a tokenizer, and the file has none */
};
/* The bytes before the first tensor of one file, appended to *header; sets the offsets of the tensors that it holds. */
enum status gguf_head(const struct gguf_input *input, struct gguf_listing *listing, struct text *header, struct err *err) WARN_UNUSED;

#endif
