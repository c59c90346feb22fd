/* How many tokens a model's vocabulary has, where the family's embeddings in GGUF end with it. */
#ifndef REPAQ_TOKENCOUNT_H
#define REPAQ_TOKENCOUNT_H

#include "formats/hyper.h"
#include "formats/source.h"

/* Of tokenizer.model: config.json's vocab_size, to which the converter fills it up; else of tokenizer.json: entries of model.vocab and of added_tokens.
 * *count is 0 if the family does not ask (struct arch), or neither file is there in the source or `base` (NULL: none).
 * (ggml-org/llama.cpp:conversion/gemma.py, Gemma3Model.modify_tensors) */
enum status tokencount_find(struct source *source, struct source *base, const struct jsondoc *config, uint64_t *count, struct err *err) WARN_UNUSED;

#endif
