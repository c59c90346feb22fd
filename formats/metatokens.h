/* The tokenizer files that a directory of Hugging Face's has and Meta's has not, made of its tokenizer.model. */
#ifndef REPAQ_METATOKENS_H
#define REPAQ_METATOKENS_H

#include "formats/metaparams.h"
#include "formats/source.h"

/* tokenizer.json, tokenizer_config.json and special_tokens_map.json, where the listing has a tokenizer.model (SentencePiece's BPE of LLaMA 1 and 2, or LLaMA
 * 3's ranks, whose special tokens follow from the version) and no tokenizer.json. A tokenizer that none can be made of is told of in a note, and travels as
 * it is. */
enum status metatokens_make(struct source *source, struct model *model, const struct metaparams_version *version, struct err *err) WARN_UNUSED;

#endif
