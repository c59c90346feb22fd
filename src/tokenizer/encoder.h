/* A whole tokenizer of tokenizer.json at work: added tokens, normalizer, pre-tokenizer, merges, and the tokens around a text
 * (huggingface/tokenizers:tokenizers/src/tokenizer). */
#ifndef REPAQ_ENCODER_H
#define REPAQ_ENCODER_H

#include "tokenizer/bpe.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/splitter.h"

struct encoder_added {
    struct slice text;
    uint32_t id;
    uint32_t declared;            /* the id that its file gives it, where another one may follow from the order (formats/hftokens.h) */
    bool special;                 /* a control token */
    bool normalized;              /* found in normalized text, else in text as it is */
    bool single_word;             /* found only between words */
    bool strip_left, strip_right; /* takes the blanks beside it */
};

/* All borrowed. */
struct encoder {
    const struct encoder_added *added; /* [added_count] */
    uint32_t added_count;
    const struct normalizer_step *normalizer; /* [normalizer_count] */
    size_t normalizer_count;
    struct splitter splitter;
    const struct bpe *bpe;
    const uint32_t *before, *after; /* [before_count], [after_count]: around the whole text */
    uint32_t before_count, after_count;
};

/* Appends the ids of UTF-8 text. UNSUPPORTED: an added token with single_word. */
enum status encoder_encode(const struct encoder *encoder, struct slice text, struct bpe_ids *ids, struct err *err) WARN_UNUSED;

#endif
