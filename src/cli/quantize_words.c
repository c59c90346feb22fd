#include "cli/quantize_words.h"

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

/* PATTERN=TYPE */
static enum status take_type(struct quantize_words *words, const char *word, struct err *err)
{
    const char *equals = strchr(word, '=');
    struct mix_override *override = &words->override[words->override_count];
    if (equals == NULL || equals == word)
        return err_set(err, STATUS_USAGE, "--tensor-type", "found \"%s\", expected PATTERN=TYPE", word);
    TRY(quantize_words_type("--tensor-type", equals + 1, &override->type, err));
    char *pattern = arena_copy(&words->arena, word, (size_t)(equals - word), err);
    if (pattern == NULL)
        return STATUS_LIMIT;
    for (char *c = pattern; *c != '\0'; c++) /* as upstream: names of tensors are lower case */
        *c = (char)tolower((unsigned char)*c);
    TRY(regex_compile(&override->pattern, slice_of(pattern), "--tensor-type", STATUS_USAGE, err));
    words->override_count++;
    return STATUS_OK;
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
    return pair->key == NULL ? STATUS_LIMIT : STATUS_OK;
}

enum status quantize_words_take(struct quantize_words *words, struct mix_rules *rules, struct gguf_options *options, struct err *err)
{
    struct gguf_pair *pair = arena_alloc(&words->arena, words->pair.count, sizeof *pair, err);
    words->override = arena_alloc(&words->arena, words->type.count, sizeof *words->override, err);
    if (pair == NULL || words->override == NULL)
        return STATUS_LIMIT;
    for (size_t t = 0; t < words->type.count; t++)
        TRY(take_type(words, words->type.word[t], err));
    for (size_t p = 0; p < words->pair.count; p++)
        TRY(take_pair(words, words->pair.word[p], &pair[p], err));
    rules->override = words->override;
    rules->override_count = words->override_count;
    options->pair = pair;
    options->pair_count = words->pair.count;
    return STATUS_OK;
}

void quantize_words_free(struct quantize_words *words)
{
    for (size_t o = 0; o < words->override_count; o++)
        regex_free(words->override[o].pattern);
    arena_free(&words->arena);
    *words = (struct quantize_words){0};
}
