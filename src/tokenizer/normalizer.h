/* Normalizers of tokenizer.json: what is done to text before it is cut (the only includer of utf8proc; huggingface/tokenizers:tokenizers/src/normalizers). */
#ifndef REPAQ_NORMALIZER_H
#define REPAQ_NORMALIZER_H

#include "base/regex.h"
#include "base/text.h"

enum normalizer_kind {
    NORMALIZER_NFC,
    NORMALIZER_NFD,
    NORMALIZER_NFKC,
    NORMALIZER_NFKD,
    NORMALIZER_LOWERCASE,
    NORMALIZER_STRIP_ACCENTS,
    NORMALIZER_REPLACE, /* every match of `regex` by `content` */
    NORMALIZER_PREPEND, /* `content` before text that is not empty */
};

struct normalizer_step {
    enum normalizer_kind kind;
    struct regex *regex;  /* borrowed */
    struct slice content; /* borrowed */
};

/* Appends the text that the steps make of UTF-8 text. */
enum status normalizer_apply(const struct normalizer_step *step, size_t steps, struct slice text, struct text *normalized, struct err *err) WARN_UNUSED;

#endif
