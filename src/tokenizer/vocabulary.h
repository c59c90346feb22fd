/* A tokenizer's vocabulary: what GGUF keeps of it (formats/gguf.md section 2.8). */
#ifndef REPAQ_VOCABULARY_H
#define REPAQ_VOCABULARY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The numbers are GGUF's and SentencePiece's. */
enum vocabulary_type {
    VOCABULARY_NORMAL = 1,
    VOCABULARY_UNKNOWN,
    VOCABULARY_CONTROL,
    VOCABULARY_USER_DEFINED,
    VOCABULARY_UNUSED,
    VOCABULARY_BYTE,
};

/* What convert_hf_to_gguf gives tokens that were added to SentencePiece's (conversion/base.py, _create_vocab_sentencepiece). */
#define VOCABULARY_ADDED_SCORE (-1000.0f)

struct vocabulary_token {
    struct slice text; /* UTF-8; of byte-level BPE in GPT-2's alphabet (bytelevel.h) */
    float score;
    enum vocabulary_type type;
};

enum vocabulary_setting_kind { VOCABULARY_ID, VOCABULARY_FLAG, VOCABULARY_TEXT, VOCABULARY_NAMED, VOCABULARY_NAMES };
enum vocabulary_key {
#define X(name, key, kind) VOCABULARY_KEY_##name,
#include "tokenizer/vocabulary.def"
#undef X
    VOCABULARY_KEY_COUNT
};
struct vocabulary_setting {
    enum vocabulary_key key;
    uint32_t id;       /* kind ID */
    bool flag;         /* kind FLAG */
    struct slice text; /* kinds TEXT and NAMED: a chat template, copied and never rendered */
    struct slice name; /* kind NAMED: letters, digits and '_' */
};

enum vocabulary_kind { VOCABULARY_LLAMA, VOCABULARY_GPT2 }; /* SentencePiece's BPE by scores; byte-level BPE by merges */

/* Zero-initialise. All memory is in the arena that the functions are given. */
struct vocabulary {
    enum vocabulary_kind kind;
    const char *pre;                /* name of the pre-tokenizer; NULL: not known */
    struct vocabulary_token *token; /* [count], by id */
    uint32_t count;
    bool scored;         /* scores are meant */
    bool strips;         /* Phi-3's special tokens take the blanks behind them (vocabulary_strips) */
    struct slice *merge; /* [merge_count], "left right", first first */
    uint32_t merge_count;
    struct vocabulary_setting *setting; /* [setting_count], in the order in which they were set, each key once (names: each name once) */
    uint32_t setting_count, leading;    /* leading: so many stand before the tokens in a file */
    size_t setting_capacity;
    uint64_t beyond;     /* ids of the tokenizer that `count` has no place for, up to the largest one */
    struct slice lost;   /* the first token that was left out for that */
    uint32_t renumbered; /* added tokens that have another id than their file says (formats/hftokens.c) */
};

const char *vocabulary_kind_name(enum vocabulary_kind kind); /* "llama", "gpt2" */
const char *vocabulary_key_name(enum vocabulary_key key);    /* "tokenizer.ggml.bos_token_id" */
enum vocabulary_setting_kind vocabulary_key_kind(enum vocabulary_key key);

/* Makes `count` tokens "[PAD<i>]", unused, score -10000, as convert_hf_to_gguf pads. More than LIMIT_VOCABULARY_TOKENS_MAX: LIMIT. */
enum status vocabulary_pad(struct vocabulary *vocabulary, uint64_t count, struct arena *arena, struct err *err) WARN_UNUSED;
/* Notes that a token has no place, because its id is `count` or more. */
void vocabulary_leave(struct vocabulary *vocabulary, uint64_t id, struct slice text);
/* Sets a setting; one that is there keeps its place and gets the new value. `setting` is copied, its texts are borrowed. */
enum status vocabulary_set(struct vocabulary *vocabulary, const struct vocabulary_setting *setting, struct arena *arena, struct err *err) WARN_UNUSED;
enum status vocabulary_set_id(struct vocabulary *vocabulary, enum vocabulary_key key, uint32_t id, struct arena *arena, struct err *err) WARN_UNUSED;
enum status vocabulary_set_flag(struct vocabulary *vocabulary, enum vocabulary_key key, bool flag, struct arena *arena, struct err *err) WARN_UNUSED;
/* NULL if it is not set. */
const struct vocabulary_setting *vocabulary_find(const struct vocabulary *vocabulary, enum vocabulary_key key);
/* True for texts of added tokens that are control tokens whatever the file says ("<|...|>", "<unused...>", ...;
 * ggml-org/llama.cpp:conversion/base.py, does_token_look_special). */
bool vocabulary_looks_special(struct slice text);
/* True for special tokens that take the blanks behind them: all of a vocabulary that strips, but <unk>, <s> and <|endoftext|>
 * (ggml-org/llama.cpp:src/llama-vocab.cpp, load). */
bool vocabulary_strips(const struct vocabulary *vocabulary, const struct vocabulary_token *token);
/* text with each U+2581 made a blank, in the arena. data NULL with *err filled if memory is out. */
struct slice vocabulary_spaced(struct slice text, struct arena *arena, struct err *err);

/* True for text that is well-formed UTF-8. */
bool vocabulary_is_utf8(struct slice text);

#endif
