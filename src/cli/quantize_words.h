/* The words that llama-quantize takes: types, patterns, pairs (ggml-org/llama.cpp:tools/quantize/quantize.cpp, common/common.cpp). */
#ifndef REPAQ_QUANTIZE_WORDS_H
#define REPAQ_QUANTIZE_WORDS_H

#include "cli/arguments.h"
#include "plan/mix.h"

/* Zero-initialise; free with quantize_words_free. */
struct quantize_words {
    struct argument_list type; /* --tensor-type */
    struct argument_list pair; /* --override-kv */
    struct arena arena;
    struct mix_override *override; /* in the arena */
    size_t override_count;
};

/* A file type by name, alias or number; "COPY" is FILETYPE_NONE. *name is as it is spelt in names of files. */
bool quantize_words_file_type(const char *word, enum filetype *type, const char **name);
/* A type that tensors are written in, by name in any case; NULL: *type stays. USAGE. */
enum status quantize_words_type(const char *where, const char *word, enum ggml_type *type, struct err *err) WARN_UNUSED;
/* What the lists say, into rules and options, which borrow it. USAGE. */
enum status quantize_words_take(struct quantize_words *words, struct mix_rules *rules, struct gguf_options *options, struct err *err) WARN_UNUSED;
void quantize_words_free(struct quantize_words *words);

#endif
