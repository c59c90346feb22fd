/* A vocabulary as the tokenizer pairs of a GGUF file, in the order and types of convert_hf_to_gguf (formats/gguf.md section 2.8). */
#ifndef REPAQ_GGUF_VOCABULARY_H
#define REPAQ_GGUF_VOCABULARY_H

#include "container/ggufile_write.h"
#include "tokenizer/vocabulary.h"

#define GGUF_VOCABULARY_MODEL "tokenizer.ggml.model"
#define GGUF_VOCABULARY_PRE "tokenizer.ggml.pre"
#define GGUF_VOCABULARY_TOKENS "tokenizer.ggml.tokens"
#define GGUF_VOCABULARY_SCORES "tokenizer.ggml.scores"
#define GGUF_VOCABULARY_TYPES "tokenizer.ggml.token_type"
#define GGUF_VOCABULARY_MERGES "tokenizer.ggml.merges"

/* Appends the pairs. A failure is the writer's. `arena` holds what is made on the way. */
void gguf_vocabulary_write(const struct vocabulary *vocabulary, struct arena *arena, struct ggufile_writer *writer);
/* The vocabulary of a file's pairs (gguf_vocabulary_read.c); texts are borrowed from the file, the rest is in the arena. UNSUPPORTED: another tokenizer
 * than llama and gpt2. CORRUPT: a pair of another type, tokens, scores and types of different numbers, an id that is no token's, text that is no UTF-8. */
enum status gguf_vocabulary_read(const struct ggufile *gguf, struct arena *arena, struct vocabulary *vocabulary, struct err *err) WARN_UNUSED;

#endif
