#include "cli/quantize_words.h"

#include "base/limits.h"
#include "base/mem.h"
#include "cli/quantize_pattern.h"
#include "codec/ggml_codec.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PAIR_BYTES_MAX = 127 }; /* of a key, and of a string */

bool quantize_words_file_type(const char *word, enum filetype *type, const char **name)
{
    static const struct {
        const char *word;
        enum filetype type;
    } aliases[] = {{"Q3_K", FILETYPE_Q3_K_M}, {"Q4_K", FILETYPE_Q4_K_M}, {"Q5_K", FILETYPE_Q5_K_M}, {"COPY", FILETYPE_NONE}};
    for (size_t a = 0; a < sizeof aliases / sizeof aliases[0]; a++) { /* the alias is in the name of the file as well */
        if (strcasecmp(word, aliases[a].word) != 0)
            continue;
        *type = aliases[a].type;
        *name = aliases[a].word;
        return true;
    }
    char *end;
    *type = filetype_find(slice_of(word));
    const long number = strtol(word, &end, 10);
    if (*type == FILETYPE_NONE && end != word && number >= 0 && number < FILETYPE_NONE) /* "2abc" is type 2 */
        *type = (enum filetype)number;
    *name = filetype_name(*type);
    return *type != FILETYPE_NVFP4 && filetype_type(*type) != GGML_COUNT;
}

enum status quantize_words_type(const char *where, const char *word, enum ggml_type *type, struct err *err)
{
    if (word == NULL)
        return STATUS_OK;
    *type = ggml_find(slice_of(word));
    const enum ggml_kind kind = ggml_kind(*type);
    if ((kind == GGML_KIND_BLOCK || kind == GGML_KIND_FLOAT) && ggml_codec_has(*type))
        return STATUS_OK;
    (void)err_set(err, STATUS_USAGE, where, "found \"%s\", expected a type of tensors that values are written in", word);
    return err_try(err, "q8_0, q6_K, f16 and the like");
}

/* PATTERN=TYPE, of `size` bytes. */
static enum status take_type(struct quantize_words *words, const char *where, const char *word, size_t size, struct err *err)
{
    char *pattern = arena_copy(&words->arena, word, size, err), *equals = pattern == NULL ? NULL : strchr(pattern, '=');
    if (pattern == NULL)
        return STATUS_LIMIT;
    if (equals == NULL || equals == pattern)
        return err_set(err, STATUS_USAGE, where, "found \"%s\", expected PATTERN=TYPE", pattern);
    TRY(mem_grow((void **)&words->override, &words->override_capacity, words->override_count + 1, sizeof *words->override, err));
    struct mix_override *override = &words->override[words->override_count];
    TRY(quantize_words_type(where, equals + 1, &override->type, err));
    *equals = '\0';
    TRY(quantize_pattern_settle(where, pattern, err));
    TRY(regex_compile(&override->pattern, slice_of(pattern), where, STATUS_USAGE, err));
    words->override_count++;
    return STATUS_OK;
}

/* A file of such words, between white space. */
static enum status take_type_file(struct quantize_words *words, const struct file_ops *ops, const char *path, struct err *err)
{
    struct text text = {0};
    enum status status = file_slurp(ops, path, LIMIT_JSON_DOCUMENT_BYTES_MAX, &text, err);
    for (size_t at = 0; status == STATUS_OK && at < text.size;) {
        size_t end = at;
        while (end < text.size && !isspace((unsigned char)text.data[end]))
            end++;
        if (end > at)
            status = take_type(words, path, text.data + at, end - at, err);
        at = end + 1;
    }
    text_free(&text);
    return status;
}

/* A number as upstream takes it: what is none is 0, and the sign of an integer is dropped. */
static bool take_value(const char *value, struct gguf_pair *pair)
{
    if (strncmp(value, "int:", 4) == 0) {
        const long long number = strtoll(value + 4, NULL, 10);
        pair->kind = GGUFILE_U32;
        pair->bits = (uint32_t)(number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number);
        return true;
    }
    if (strncmp(value, "float:", 6) == 0) {
        const float number = (float)strtod(value + 6, NULL);
        uint32_t bits;
        memcpy(&bits, &number, sizeof bits);
        pair->kind = GGUFILE_F32;
        pair->bits = bits;
        return true;
    }
    if (strcmp(value, "bool:true") == 0 || strcmp(value, "bool:false") == 0) {
        pair->kind = GGUFILE_BOOL;
        pair->bits = value[5] == 't';
        return true;
    }
    pair->kind = GGUFILE_STRING;
    pair->text = value + 4;
    return strncmp(value, "str:", 4) == 0 && strlen(value + 4) <= PAIR_BYTES_MAX;
}

/* KEY=TYPE:VALUE */
static enum status take_pair(struct quantize_words *words, const char *word, struct gguf_pair *pair, struct err *err)
{
    const char *equals = strchr(word, '=');
    if (equals == NULL || equals == word || equals - word > PAIR_BYTES_MAX || !take_value(equals + 1, pair)) {
        (void)err_set(err, STATUS_USAGE, "--override-kv", "found \"%s\", expected KEY=TYPE:VALUE", word);
        return err_try(err, "KEY=int:N, KEY=float:X, KEY=bool:true, KEY=bool:false or KEY=str:TEXT, key and text of at most %d bytes", PAIR_BYTES_MAX);
    }
    pair->key = arena_copy(&words->arena, word, (size_t)(equals - word), err);
    if (pair->key == NULL)
        return STATUS_LIMIT;
    if (strcmp(pair->key, "split.count") != 0 || pair->kind != GGUFILE_U32 || pair->bits < 2)
        return STATUS_OK;
    (void)err_set(err, STATUS_USAGE, "--override-kv", "found \"%s\", expected the number of shards to be that of the files: no reader takes another", word);
    return err_try(err, "--keep-split writes as many shards as the source has");
}

const char *quantize_words_given(const struct quantize_words *words)
{
    const struct {
        bool given;
        const char *name;
    } rows[] = {
        {words->pure, "--pure"},
        {words->leave_output, "--leave-output-tensor"},
        {words->output != NULL, "--output-tensor-type"},
        {words->embedding != NULL, "--token-embedding-type"},
        {words->type.count > 0, "--tensor-type"},
        {words->matrix != NULL, "--imatrix"},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        if (rows[r].given)
            return rows[r].name;
    return NULL;
}

const char *quantize_words_idle(const struct quantize_words *words)
{
    const bool single = words->output != NULL || words->embedding != NULL || words->type.count > 0;
    if (words->pure || words->leave_output)
        return words->pure ? "--pure" : "--leave-output-tensor";
    return words->matrix != NULL && !single ? "--imatrix" : NULL;
}

/* What llama-quantize says of the importance matrix in the file; texts are cut at 127 bytes. */
static enum status note_matrix(struct quantize_words *words, struct gguf_pair *pair, size_t *count, struct err *err)
{
    const struct imatrix *imatrix = &words->imatrix;
    const char *texts[] = {words->matrix, imatrix->dataset};
    static const char *const keys[] = {"quantize.imatrix.file", "quantize.imatrix.dataset"};
    for (size_t t = 0; t < 2; t++) {
        const size_t size = texts[t] == NULL ? 0 : strlen(texts[t]);
        if (texts[t] == NULL)
            continue;
        const char *cut = arena_copy(&words->arena, texts[t], size < PAIR_BYTES_MAX ? size : PAIR_BYTES_MAX, err);
        if (cut == NULL)
            return STATUS_LIMIT;
        pair[(*count)++] = (struct gguf_pair){keys[t], GGUFILE_STRING, 0, cut};
    }
    pair[(*count)++] = (struct gguf_pair){"quantize.imatrix.entries_count", GGUFILE_U32, imatrix_left(imatrix), NULL};
    if (imatrix->chunks > 0)
        pair[(*count)++] = (struct gguf_pair){"quantize.imatrix.chunks_count", GGUFILE_U32, (uint32_t)imatrix->chunks, NULL};
    return STATUS_OK;
}

static enum status take_matrix(struct quantize_words *words, const struct file_ops *ops, struct gguf_options *options, struct gguf_pair *pair,
                               struct err *err)
{
    if (words->include.count > 0 && words->exclude.count > 0)
        return err_set(err, STATUS_USAGE, "--include-weights", "found --exclude-weights beside it, expected one of them");
    if (words->matrix == NULL)
        return STATUS_OK;
    TRY(imatrix_open(&words->imatrix, ops, words->matrix, err));
    if (words->exclude.count > 0)
        imatrix_drop(&words->imatrix, words->exclude.word, words->exclude.count, false);
    if (words->include.count > 0)
        imatrix_drop(&words->imatrix, words->include.word, words->include.count, true);
    if (imatrix_left(&words->imatrix) == 0)
        return STATUS_OK;
    TRY(imatrix_check(&words->imatrix, err)); /* what is left: a broken entry can be excluded, as upstream */
    options->imatrix = &words->imatrix;
    return note_matrix(words, pair, &options->pair_count, err);
}

enum status quantize_words_take(struct quantize_words *words, const struct file_ops *ops, struct gguf_options *options, struct err *err)
{
    struct mix_rules *rules = &words->rules;
    struct gguf_pair *pair = arena_alloc(&words->arena, words->pair.count + 4, sizeof *pair, err);
    if (pair == NULL)
        return STATUS_LIMIT;
    *rules = (struct mix_rules){.output = GGML_COUNT, .embedding = GGML_COUNT, .pure = words->pure, .leave_output = words->leave_output};
    TRY(quantize_words_type("--output-tensor-type", words->output, &rules->output, err));
    TRY(quantize_words_type("--token-embedding-type", words->embedding, &rules->embedding, err));
    for (size_t t = 0; t < words->type.count; t++) {
        const char *name = words->type.name[t], *word = words->type.word[t];
        TRY(strcmp(name, "--tensor-type") == 0 ? take_type(words, name, word, strlen(word), err) : take_type_file(words, ops, word, err));
    }
    for (size_t p = 0; p < words->pair.count; p++)
        TRY(take_pair(words, words->pair.word[p], &pair[p], err));
    options->pair = pair;
    options->pair_count = words->pair.count;
    TRY(take_matrix(words, ops, options, pair, err));
    rules->override = words->override;
    rules->override_count = words->override_count;
    return STATUS_OK;
}

void quantize_words_free(struct quantize_words *words)
{
    for (size_t o = 0; o < words->override_count; o++)
        regex_free(words->override[o].pattern);
    free(words->override);
    imatrix_free(&words->imatrix);
    arena_free(&words->arena);
    *words = (struct quantize_words){0};
}
