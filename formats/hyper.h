/* Hyper-parameters of a model family, as config.json and transformers' defaults have them. */
#ifndef REPAQ_HYPER_H
#define REPAQ_HYPER_H

#include "container/jsondoc.h"
#include "formats/arch/arch.h"

#include <stddef.h>

/* The family of config.json's `architectures`; UNSUPPORTED if it is none, CORRUPT if there is none. */
enum status hyper_arch(const struct jsondoc *config, const struct arch **arch, struct err *err) WARN_UNUSED;
/* The first of `members` ("a|b|c") that config.json has and that is not null, in the root or in text_config, which comes first; NULL if there is none. */
const struct jsondoc *hyper_find(const struct jsondoc *config, const char *members);
/* A number by the same rule, or the default of the model's type. False if it is neither. */
bool hyper_number(const struct arch *arch, const struct jsondoc *config, const char *members, double *value);
/* The same, of a whole number in 1..2^31-1. */
bool hyper_count(const struct arch *arch, const struct jsondoc *config, const char *members, uint64_t *count);
/* Rows of a head: head_dim, or hidden_size / num_attention_heads. False where config.json does not say. */
bool hyper_head(const struct arch *arch, const struct jsondoc *config, uint64_t *rows);
/* Gemma 2 and 3: the number whose root llama.cpp divides q by. False of other families, and where config.json does not say the sizes. */
bool hyper_scale(const struct arch *arch, const struct jsondoc *config, double *scale);
/* What config.json says otherwise than llama.cpp computes, though GGUF has no key or no value for it, in words; false: nothing. */
bool hyper_unsaid(const struct arch *arch, const struct jsondoc *config, char *words, size_t size);

#endif
