/* The tokenizer files of a Hugging Face directory, rebuilt from a vocabulary. */
#ifndef REPAQ_HFREBUILD_H
#define REPAQ_HFREBUILD_H

#include "base/text.h"
#include "formats/source.h"
#include "tokenizer/vocabulary.h"

/* tokenizer.json. Of a SentencePiece vocabulary the merges are derived from the scores, as huggingface/transformers derives them; of byte-level BPE the
 * pre-tokenizer is the one that the name stands for. UNSUPPORTED: a name whose patterns are not known, or scores that are all the same. `arena` is scratch. */
enum status hfrebuild_tokenizer(const struct vocabulary *vocabulary, struct arena *arena, struct text *text, struct err *err) WARN_UNUSED;
/* tokenizer_config.json */
struct hfrebuild_options {
    uint64_t tokens_max; /* the context length; 0: left out */
    bool plain;          /* the class is one that takes tokenizer.json as it is: LlamaTokenizer of transformers 5 builds its own, whose ids of texts that begin
                            with a blank, or have one behind a special token, are not SentencePiece's */
};
enum status hfrebuild_config(const struct vocabulary *vocabulary, struct hfrebuild_options options, struct text *text, struct err *err) WARN_UNUSED;
/* special_tokens_map.json */
enum status hfrebuild_special(const struct vocabulary *vocabulary, struct text *text, struct err *err) WARN_UNUSED;
/* tokenizer.model, of a SentencePiece vocabulary only. Padding at the end is left out. UNREPRESENTABLE: no unknown token, which SentencePiece needs. */
enum status hfrebuild_model(const struct vocabulary *vocabulary, struct arena *arena, struct text *text, struct err *err) WARN_UNUSED;
/* The first three as files that the source stands for (source_make), or none of them; their errors. */
enum status hfrebuild_files(struct source *source, const struct vocabulary *vocabulary, struct hfrebuild_options options, struct err *err) WARN_UNUSED;

#endif
