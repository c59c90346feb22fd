/* Pre-tokenizers of tokenizer.json: how text is cut into words before merging (huggingface/tokenizers:tokenizers/src/pre_tokenizers). */
#ifndef REPAQ_SPLITTER_H
#define REPAQ_SPLITTER_H

#include "base/arena.h"
#include "base/regex.h"

#include <stdbool.h>

enum splitter_kind {
    SPLITTER_SPLIT,        /* at matches of the pattern */
    SPLITTER_REPLACE,      /* matches of the pattern by `content` */
    SPLITTER_PREFIX,       /* `content` before each word that does not begin so */
    SPLITTER_PREFIX_FIRST, /* before the text's first word only */
    SPLITTER_BYTES,        /* words in the byte-level alphabet (bytelevel.h) */
};

/* What becomes of matches; the text between them stays. */
enum splitter_behavior { SPLITTER_ISOLATED, SPLITTER_REMOVED, SPLITTER_CONTIGUOUS, SPLITTER_MERGED_WITH_PREVIOUS, SPLITTER_MERGED_WITH_NEXT };

struct splitter_step {
    enum splitter_kind kind;
    enum splitter_behavior behavior;
    bool invert;          /* matches and the text between them change places */
    struct regex *regex;  /* borrowed; of SPLIT and REPLACE */
    struct slice pattern; /* the text of the regex */
    struct slice content;
};

#define SPLITTER_GPT2 \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+" /* ByteLevel's own (openai/gpt-2:src/encoder.py) */

struct splitter_words {
    struct slice *word; /* [count], none empty; in the arena or borrowed from the text */
    size_t count;
};

struct splitter {
    struct splitter_step *step; /* [count] */
    size_t count;
};

/* Cuts UTF-8 text. `first`: the text begins the whole one. Words are in the arena or in the text. */
enum status splitter_cut(const struct splitter *splitter, struct slice text, bool first, struct arena *arena, struct splitter_words *words,
                         struct err *err) WARN_UNUSED;

#endif
