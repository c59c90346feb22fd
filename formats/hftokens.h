/* Tokens of a Hugging Face directory, as convert_hf_to_gguf numbers, names and types them (ggml-org/llama.cpp:conversion/base.py, gguf-py/gguf/vocab.py). */
#ifndef REPAQ_HFTOKENS_H
#define REPAQ_HFTOKENS_H

#include "formats/hftokenizer.h"
#include "tokenizer/vocabulary.h"

/* Replaces tokens of a SentencePiece vocabulary by added ones: added_tokens.json's, `config`'s added_tokens_decoder, and, with `more` that was read,
 * tokenizer.json's (what Phi-3 does; it also looks less closely at texts). Ids beyond the vocabulary are left out; other invalid ones are CORRUPT. */
enum status hftokens_replace(struct source *source, const struct jsondoc *config, const struct hftokenizer *more, struct vocabulary *vocabulary,
                             struct err *err) WARN_UNUSED;
/* Adds those of config's added_tokens_decoder that the tokenizer lacks; with `old`, those of added_tokens.json as well. Then added tokens get the ids that the
 * tokenizers library gives them, which follow from their order; `declared` keeps those of the files. */
enum status hftokens_add_missing(struct source *source, const struct jsondoc *config, bool old, struct hftokenizer *tokenizer, struct err *err) WARN_UNUSED;
/* Byte-level BPE: tokens, types and merges; `tokens`: how many, 0 as many as there are. CORRUPT: an id beyond them, or twice. */
enum status hftokens_fill(struct source *source, struct hftokenizer *tokenizer, uint64_t tokens, struct vocabulary *vocabulary,
                          struct err *err) WARN_UNUSED;
/* SentencePiece's BPE in a tokenizer.json: tokens with score -1000. An id that is there twice is CORRUPT. */
enum status hftokens_fill_sentencepiece(struct source *source, const struct jsondoc *config, const struct hftokenizer *tokenizer,
                                        struct vocabulary *vocabulary, struct err *err) WARN_UNUSED;

#endif
