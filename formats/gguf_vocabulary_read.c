#include "formats/gguf_vocabulary.h"

#include "container/ggufile_value.h"

#include <string.h>

/* What a value's kind must be for a setting. */
static enum status take_value(const struct ggufile *gguf, const char *key, enum vocabulary_setting_kind kind, struct vocabulary_setting *setting,
                              struct err *err)
{
    switch (kind) {
    case VOCABULARY_ID:
        return ggufile_value_u32(gguf, key, &setting->id, NULL, err);
    case VOCABULARY_FLAG:
        return ggufile_value_bool(gguf, key, &setting->flag, NULL, err);
    case VOCABULARY_TEXT:
    case VOCABULARY_NAMED:
        return ggufile_value_string(gguf, key, &setting->text, NULL, err);
    case VOCABULARY_NAMES:
        break;
    }
    return STATUS_OK;
}

/* The setting that a key stands for; false for keys of other things. */
static bool find_setting(struct slice key, struct vocabulary_setting *setting)
{
    for (unsigned k = 0; k < VOCABULARY_KEY_COUNT; k++) {
        const char *const name = vocabulary_key_name((enum vocabulary_key)k);
        const bool named = vocabulary_key_kind((enum vocabulary_key)k) == VOCABULARY_NAMED;
        if (!(named ? slice_starts(key, name) && key.size > strlen(name) : slice_is(key, name)))
            continue;
        *setting = (struct vocabulary_setting){.key = (enum vocabulary_key)k};
        if (named)
            setting->name = (struct slice){key.data + strlen(name), key.size - strlen(name)};
        return true;
    }
    return false;
}

static enum status read_settings(const struct ggufile *gguf, struct arena *arena, struct vocabulary *vocabulary, struct err *err)
{
    for (size_t i = 0; i < gguf->value_count; i++) {
        struct vocabulary_setting setting;
        if (!find_setting(gguf->value[i].key, &setting))
            continue;
        const char *const key = arena_copy(arena, gguf->value[i].key.data, gguf->value[i].key.size, err);
        if (key == NULL)
            return STATUS_LIMIT;
        const enum vocabulary_setting_kind kind = vocabulary_key_kind(setting.key);
        TRY(take_value(gguf, key, kind, &setting, err));
        if (kind == VOCABULARY_ID && setting.id >= vocabulary->count)
            return err_set(err, STATUS_CORRUPT, gguf->path, "found %s %u, expected an id below %u", key, setting.id, vocabulary->count);
        TRY(vocabulary_set(vocabulary, &setting, arena, err));
    }
    return STATUS_OK;
}

static enum status read_tokens(const struct ggufile *gguf, struct arena *arena, struct vocabulary *vocabulary, struct err *err)
{
    struct ggufile_array tokens, scores = {0}, types = {0};
    bool has_scores = false, has_types = false;
    TRY(ggufile_value_array(gguf, GGUF_VOCABULARY_TOKENS, GGUFILE_STRING, &tokens, NULL, err));
    TRY(ggufile_value_array(gguf, GGUF_VOCABULARY_SCORES, GGUFILE_F32, &scores, &has_scores, err));
    TRY(ggufile_value_array(gguf, GGUF_VOCABULARY_TYPES, GGUFILE_I32, &types, &has_types, err));
    if ((has_scores && scores.count != tokens.count) || (has_types && types.count != tokens.count))
        return err_set(err, STATUS_CORRUPT, gguf->path, "found %llu tokens with %llu scores and %llu types, expected one of each",
                       (unsigned long long)tokens.count, (unsigned long long)scores.count, (unsigned long long)types.count);
    TRY(vocabulary_pad(vocabulary, tokens.count, arena, err));
    vocabulary->scored = has_scores;
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        struct vocabulary_token *const token = &vocabulary->token[i];
        double score = 0;
        int64_t type = VOCABULARY_NORMAL;
        if (!ggufile_value_next(&tokens, &token->text) || (has_scores && !ggufile_value_float(&scores, i, &score)) ||
            (has_types && !ggufile_value_integer(&types, i, &type)) || type < VOCABULARY_NORMAL || type > VOCABULARY_BYTE ||
            !vocabulary_is_utf8(token->text))
            return err_set(err, STATUS_CORRUPT, gguf->path, "found the token %u with the type %lld, expected UTF-8 and a type of 1 to 6", i,
                           (long long)type);
        token->score = (float)score;
        token->type = (enum vocabulary_type)type;
    }
    return STATUS_OK;
}

static enum status read_merges(const struct ggufile *gguf, struct arena *arena, struct vocabulary *vocabulary, struct err *err)
{
    struct ggufile_array merges;
    bool present;
    TRY(ggufile_value_array(gguf, GGUF_VOCABULARY_MERGES, GGUFILE_STRING, &merges, &present, err));
    if (!present)
        return STATUS_OK;
    if (merges.count > LIMIT_VOCABULARY_MERGES_MAX)
        return err_set(err, STATUS_LIMIT, gguf->path, "found %llu merges, expected at most %u", (unsigned long long)merges.count,
                       LIMIT_VOCABULARY_MERGES_MAX);
    vocabulary->merge = arena_alloc(arena, merges.count, sizeof *vocabulary->merge, err);
    if (vocabulary->merge == NULL)
        return STATUS_LIMIT;
    while (vocabulary->merge_count < merges.count) {
        struct slice *const merge = &vocabulary->merge[vocabulary->merge_count];
        const char *const blank = ggufile_value_next(&merges, merge) && merge->size > 2 ? memchr(merge->data + 1, ' ', merge->size - 2) : NULL;
        if (blank == NULL || !vocabulary_is_utf8(*merge))
            return err_set(err, STATUS_CORRUPT, gguf->path, "found the merge %u, expected two texts with a blank between them", vocabulary->merge_count);
        vocabulary->merge_count++;
    }
    return STATUS_OK;
}

static bool has_word(struct slice text, const char *word)
{
    const size_t size = strlen(word);
    for (size_t at = 0; at + size <= text.size; at++) {
        size_t same = 0;
        while (same < size && (text.data[at + same] | (text.data[at + same] >= 'A' && text.data[at + same] <= 'Z' ? 0x20 : 0)) == word[same])
            same++;
        if (same == size)
            return true;
    }
    return false;
}

/* The blanks behind Phi-3's special tokens, which GGUF has no word for, and llama.cpp knows by the model's name (ggml-org/llama.cpp:src/llama-vocab.cpp,
 * load). */
static enum status read_stripping(const struct ggufile *gguf, struct vocabulary *vocabulary, struct err *err)
{
    struct slice name;
    bool present;
    TRY(ggufile_value_string(gguf, "general.name", &name, &present, err));
    vocabulary->strips = present && (has_word(name, "phi-3") || has_word(name, "phi3"));
    return STATUS_OK;
}

enum status gguf_vocabulary_read(const struct ggufile *gguf, struct arena *arena, struct vocabulary *vocabulary, struct err *err)
{
    struct slice model, pre;
    bool present;
    *vocabulary = (struct vocabulary){0};
    TRY(ggufile_value_string(gguf, GGUF_VOCABULARY_MODEL, &model, NULL, err));
    if (!slice_is(model, vocabulary_kind_name(VOCABULARY_LLAMA)) && !slice_is(model, vocabulary_kind_name(VOCABULARY_GPT2)))
        return err_set(err, STATUS_UNSUPPORTED, gguf->path, "found the tokenizer \"%.*s\", expected llama or gpt2",
                       (int)(model.size < 100 ? model.size : 100), model.data);
    vocabulary->kind = slice_is(model, vocabulary_kind_name(VOCABULARY_LLAMA)) ? VOCABULARY_LLAMA : VOCABULARY_GPT2;
    TRY(ggufile_value_string(gguf, GGUF_VOCABULARY_PRE, &pre, &present, err));
    if (present) {
        vocabulary->pre = arena_copy(arena, pre.data, pre.size, err);
        if (vocabulary->pre == NULL)
            return STATUS_LIMIT;
    }
    TRY(read_tokens(gguf, arena, vocabulary, err));
    TRY(read_merges(gguf, arena, vocabulary, err));
    TRY(read_stripping(gguf, vocabulary, err));
    return read_settings(gguf, arena, vocabulary, err);
}
