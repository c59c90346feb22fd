/* Special tokens, flags and chat templates of a Hugging Face directory, found as SpecialVocab of ggml-org/llama.cpp:gguf-py/gguf/vocab.py finds them. */
#ifndef REPAQ_HFSPECIAL_H
#define REPAQ_HFSPECIAL_H

#include "formats/hftokenizer.h"
#include "tokenizer/vocabulary.h"

struct hfspecial {
    struct source *source;
    const struct hftokenizer *tokenizer; /* NULL: there is no tokenizer.json */
    const struct jsondoc *config;        /* tokenizer_config.json; NULL: none */
    uint32_t ids;                        /* special ids from here on are left out; UINT32_MAX: none are */
};

/* Sets ids, flags, templates and normalizer flags, in gguf-py's order. Texts are copied to the source's arena. CORRUPT: a negative id. */
enum status hfspecial_set(const struct hfspecial *special, struct vocabulary *vocabulary, struct err *err) WARN_UNUSED;

#endif
