/* The words that llama-quantize takes: types, patterns, pairs (ggml-org/llama.cpp:tools/quantize/quantize.cpp, common/common.cpp). */
#ifndef REPAQ_QUANTIZE_WORDS_H
#define REPAQ_QUANTIZE_WORDS_H

#include "cli/arguments.h"
#include "formats/imatrix.h"
#include "plan/mix.h"

/* Zero-initialise; free with quantize_words_free. */
struct quantize_words {
    bool leave_output, pure;
    const char *output, *embedding; /* types; NULL: not given */
    const char *matrix;             /* --imatrix */
    struct argument_list include, exclude;
    struct argument_list type;      /* --tensor-type, --tensor-type-file */
    struct argument_list pair;      /* --override-kv */
    struct imatrix imatrix;
    struct mix_rules rules;
    struct arena arena;
    struct mix_override *override;  /* owned */
    size_t override_count, override_capacity;
};

/* The options that convert and the drop-in share, as rows of arguments. */
#define QUANTIZE_WORDS_ROWS(w) \
    {"--pure", ARGUMENT_FLAG, &(w)->pure, NULL, "gguf: no mix, the type of --type for all tensors that are quantized"}, \
        {"--leave-output-tensor", ARGUMENT_FLAG, &(w)->leave_output, NULL, "gguf: output.weight stays as it is"}, \
        {"--output-tensor-type", ARGUMENT_STRING, &(w)->output, "T", "gguf: the type of output.weight"}, \
        {"--token-embedding-type", ARGUMENT_STRING, &(w)->embedding, "T", "gguf: the type of the token embeddings"}, \
        {"--tensor-type", ARGUMENT_LIST, &(w)->type, "REGEX=T", "gguf: a type for what the pattern is found in; may be repeated, the first that fits counts"}, \
        {"--imatrix", ARGUMENT_STRING, &(w)->matrix, "FILE", "gguf: how much each column counts, from llama-imatrix"}

/* A file type by name, alias or number; "COPY" is FILETYPE_NONE. *name is as it is spelt in names of files. */
bool quantize_words_file_type(const char *word, enum filetype *type, const char **name);
/* A type that tensors are written in, by name in any case; NULL: *type stays. USAGE. */
enum status quantize_words_type(const char *where, const char *word, enum ggml_type *type, struct err *err) WARN_UNUSED;
/* The first option that was given; NULL: none. */
const char *quantize_words_given(const struct quantize_words *words);
/* The first that says nothing where the file has no type of its own (auto); NULL: none. */
const char *quantize_words_idle(const struct quantize_words *words);
/* What the words say, into words->rules (the type of the file is the caller's) and options, which borrow it. USAGE, and what reading the files gives. */
enum status quantize_words_take(struct quantize_words *words, const struct file_ops *ops, struct gguf_options *options, struct err *err) WARN_UNUSED;
void quantize_words_free(struct quantize_words *words);

#endif
