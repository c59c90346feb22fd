/* The vocabulary that convert_hf_to_gguf writes for a Hugging Face directory (ggml-org/llama.cpp:conversion/{base,llama,qwen,gemma,phi}.py, set_vocab). */
#ifndef REPAQ_HFVOCABULARY_H
#define REPAQ_HFVOCABULARY_H

#include "formats/source.h"
#include "tokenizer/vocabulary.h"

struct hfvocabulary_options {
    const char *architecture; /* GGUF's: "llama", "qwen2", "gemma3", ... */
    const char *pre;          /* --pre; NULL: recognised */
    uint64_t tokens;          /* config.json's vocab_size; 0: as many as there are */
    bool first_llama3;        /* a tokenizer.model of LLaMA 3 without tokenizer.json is one of 3.0, not 3.1 and later: their special tokens differ */
};
/* How a pre-tokenizer was recognised. */
struct hfvocabulary_finding {
    char hash[65];       /* of the test text; "" if it was not needed or cannot be made */
    const char *by;      /* "--pre", "hash", "patterns" or "SentencePiece" */
    struct err why_none; /* why there is no hash; status OK if there is one */
};

/* Reads the files of source's directory. Everything is in the source's arena. Errors: UNSUPPORTED (no tokenizer; R-PRE: a pre-tokenizer that is known neither
 * by its hash nor by its patterns), USAGE (a name for --pre that llama.cpp does not know), CORRUPT (ids beyond `tokens`, broken files), LIMIT, IO. */
enum status hfvocabulary_read(struct source *source, const struct hfvocabulary_options *options, struct vocabulary *vocabulary,
                              struct hfvocabulary_finding *finding, struct err *err) WARN_UNUSED;

#endif
