/* Byte pair encoding: a word as the tokens that its merges make of it (huggingface/tokenizers:tokenizers/src/models/bpe). */
#ifndef REPAQ_BPE_H
#define REPAQ_BPE_H

#include "base/err.h"
#include "base/map.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct bpe_token {
    struct slice text;
    uint32_t id;
};
struct bpe_merge {
    struct slice left, right;
};
/* What a model is made of; all borrowed, and needed while the model is. */
struct bpe_source {
    const char *where;             /* file, for messages */
    const struct bpe_token *token; /* [token_count] */
    const struct bpe_merge *merge; /* [merge_count], the first merges first */
    uint32_t token_count, merge_count;
    struct slice unknown; /* the token for characters that are none; size 0: they are dropped */
    bool ignore_merges;   /* a word that is a token is that token */
    bool byte_fallback;   /* a character that is none becomes its bytes, tokens <0x00>..<0xFF> */
    bool fuse_unknown;    /* one unknown token for several characters in a row */
};

struct bpe_pair;
/* Free with bpe_close. */
struct bpe {
    struct bpe_source source;
    struct map token;      /* text -> id */
    struct bpe_pair *pair; /* owned; open addressing */
    size_t capacity;
    uint32_t byte[256]; /* ids of <0x00>..<0xFF>; MAP_NONE: none */
    uint32_t unknown;   /* id, or MAP_NONE */
};

struct bpe_ids {
    uint32_t *id; /* owned, free() */
    size_t count, capacity;
};

/* Errors: CORRUPT (a token twice, a merge of tokens that are none), LIMIT. On an error nothing is left to be freed. */
enum status bpe_open(const struct bpe_source *source, struct bpe *bpe, struct err *err) WARN_UNUSED;
void bpe_close(struct bpe *bpe);
/* Appends the ids of one word of UTF-8; n log n in its size. */
enum status bpe_encode(const struct bpe *bpe, struct slice word, struct bpe_ids *ids, struct err *err) WARN_UNUSED;

#endif
