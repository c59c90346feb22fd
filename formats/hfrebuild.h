/* The tokenizer files of a Hugging Face directory, rebuilt from a vocabulary. */
#ifndef REPAQ_HFREBUILD_H
#define REPAQ_HFREBUILD_H

#include "base/text.h"
#include "tokenizer/vocabulary.h"

/* tokenizer.json. Of a SentencePiece vocabulary the merges are derived from the scores, as huggingface/transformers derives them; of byte-level BPE the
 * pre-tokenizer is the one that the name stands for. UNSUPPORTED: a name whose patterns are not known, or scores that are all the same. `arena` is scratch. */
enum status hfrebuild_tokenizer(const struct vocabulary *vocabulary, struct arena *arena, struct text *text, struct err *err) WARN_UNUSED;
/* tokenizer_config.json; tokens_max: the context length, 0: left out. */
enum status hfrebuild_config(const struct vocabulary *vocabulary, uint64_t tokens_max, struct text *text, struct err *err) WARN_UNUSED;
/* special_tokens_map.json */
enum status hfrebuild_special(const struct vocabulary *vocabulary, struct text *text, struct err *err) WARN_UNUSED;
/* tokenizer.model, of a SentencePiece vocabulary only. Padding at the end is left out. UNREPRESENTABLE: no unknown token, which SentencePiece needs. */
enum status hfrebuild_model(const struct vocabulary *vocabulary, struct arena *arena, struct text *text, struct err *err) WARN_UNUSED;

#endif
