#include "formats/gguf_vocabulary.h"

static void write_names(const struct vocabulary *vocabulary, struct ggufile_writer *writer)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < vocabulary->setting_count; i++)
        count += vocabulary->setting[i].key == VOCABULARY_KEY_TEMPLATE_NAMED;
    ggufile_write_strings(writer, vocabulary_key_name(VOCABULARY_KEY_TEMPLATE_NAMES), count);
    for (uint32_t i = 0; i < vocabulary->setting_count; i++)
        if (vocabulary->setting[i].key == VOCABULARY_KEY_TEMPLATE_NAMED)
            ggufile_write_item(writer, vocabulary->setting[i].name);
}

static void write_setting(const struct vocabulary *vocabulary, const struct vocabulary_setting *setting, struct arena *arena, struct ggufile_writer *writer)
{
    const char *const key = vocabulary_key_name(setting->key);
    const char *name;
    switch (vocabulary_key_kind(setting->key)) {
    case VOCABULARY_ID:
        ggufile_write_u32(writer, key, setting->id);
        break;
    case VOCABULARY_FLAG:
        ggufile_write_bool(writer, key, setting->flag);
        break;
    case VOCABULARY_TEXT:
        if (setting->text.size > 0) /* gguf-py writes no empty ones */
            ggufile_write_string(writer, key, setting->text);
        break;
    case VOCABULARY_NAMED:
        name = arena_format(arena, &writer->err, "%s%.*s", key, (int)setting->name.size, setting->name.data);
        if (name != NULL && setting->text.size > 0)
            ggufile_write_string(writer, name, setting->text);
        break;
    case VOCABULARY_NAMES:
        write_names(vocabulary, writer);
        break;
    }
}

static void write_numbers(const struct vocabulary *vocabulary, struct arena *arena, struct ggufile_writer *writer)
{
    float *const score = arena_alloc(arena, vocabulary->count, sizeof *score, &writer->err);
    int32_t *const type = arena_alloc(arena, vocabulary->count, sizeof *type, &writer->err);
    if (score == NULL || type == NULL)
        return;
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        score[i] = vocabulary->token[i].score;
        type[i] = (int32_t)vocabulary->token[i].type;
    }
    if (vocabulary->scored)
        ggufile_write_array(writer, GGUF_VOCABULARY_SCORES, GGUFILE_F32, vocabulary->count, score);
    ggufile_write_array(writer, GGUF_VOCABULARY_TYPES, GGUFILE_I32, vocabulary->count, type);
}

void gguf_vocabulary_write(const struct vocabulary *vocabulary, struct arena *arena, struct ggufile_writer *writer)
{
    for (uint32_t i = 0; i < vocabulary->leading; i++)
        write_setting(vocabulary, &vocabulary->setting[i], arena, writer);
    ggufile_write_string(writer, GGUF_VOCABULARY_MODEL, slice_of(vocabulary_kind_name(vocabulary->kind)));
    if (vocabulary->pre != NULL)
        ggufile_write_string(writer, GGUF_VOCABULARY_PRE, slice_of(vocabulary->pre));
    ggufile_write_strings(writer, GGUF_VOCABULARY_TOKENS, vocabulary->count);
    for (uint32_t i = 0; i < vocabulary->count; i++)
        ggufile_write_item(writer, vocabulary->token[i].text);
    write_numbers(vocabulary, arena, writer);
    if (vocabulary->merge_count > 0) {
        ggufile_write_strings(writer, GGUF_VOCABULARY_MERGES, vocabulary->merge_count);
        for (uint32_t i = 0; i < vocabulary->merge_count; i++)
            ggufile_write_item(writer, vocabulary->merge[i]);
    }
    for (uint32_t i = vocabulary->leading; i < vocabulary->setting_count; i++)
        write_setting(vocabulary, &vocabulary->setting[i], arena, writer);
}
