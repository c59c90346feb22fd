#include "tokenizer/vocabulary.h"

#include <stdio.h>
#include <string.h>

#define UNUSED_SCORE (-10000.0f)

static const struct {
    const char *key;
    enum vocabulary_setting_kind kind;
} keys[] = {
#define X(name, key, kind) {key, VOCABULARY_##kind},
#include "tokenizer/vocabulary.def"
#undef X
};
_Static_assert(sizeof keys / sizeof keys[0] == VOCABULARY_KEY_COUNT, "one row a key");

const char *vocabulary_kind_name(enum vocabulary_kind kind)
{
    return kind == VOCABULARY_LLAMA ? "llama" : "gpt2";
}

const char *vocabulary_key_name(enum vocabulary_key key)
{
    return keys[key].key;
}

enum vocabulary_setting_kind vocabulary_key_kind(enum vocabulary_key key)
{
    return keys[key].kind;
}

enum status vocabulary_pad(struct vocabulary *vocabulary, uint64_t count, struct arena *arena, struct err *err)
{
    if (count > LIMIT_VOCABULARY_TOKENS_MAX)
        return err_set(err, STATUS_LIMIT, "vocabulary", "found %llu tokens, expected at most %u", (unsigned long long)count, LIMIT_VOCABULARY_TOKENS_MAX);
    vocabulary->token = arena_alloc(arena, count, sizeof *vocabulary->token, err);
    if (vocabulary->token == NULL)
        return STATUS_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        char text[32];
        const int size = snprintf(text, sizeof text, "[PAD%u]", i);
        const char *const copy = arena_copy(arena, text, (size_t)size, err);
        if (copy == NULL)
            return STATUS_LIMIT;
        vocabulary->token[i] = (struct vocabulary_token){{copy, (size_t)size}, UNUSED_SCORE, VOCABULARY_UNUSED};
    }
    vocabulary->count = (uint32_t)count;
    return STATUS_OK;
}

void vocabulary_leave(struct vocabulary *vocabulary, uint64_t id, struct slice text)
{
    const uint64_t beyond = id - vocabulary->count + 1;
    if (vocabulary->beyond == 0)
        vocabulary->lost = text;
    vocabulary->beyond = beyond > vocabulary->beyond ? beyond : vocabulary->beyond;
}

enum status vocabulary_set(struct vocabulary *vocabulary, const struct vocabulary_setting *setting, struct arena *arena, struct err *err)
{
    for (uint32_t i = 0; i < vocabulary->setting_count; i++) {
        struct vocabulary_setting *const old = &vocabulary->setting[i];
        if (old->key == setting->key && slice_equal(old->name, setting->name)) {
            *old = *setting;
            return STATUS_OK;
        }
    }
    if (vocabulary->setting_count == vocabulary->setting_capacity) {
        const size_t capacity = vocabulary->setting_capacity == 0 ? VOCABULARY_KEY_COUNT : vocabulary->setting_capacity * 2;
        if (capacity > LIMIT_GGUF_PAIRS_MAX)
            return err_set(err, STATUS_LIMIT, "vocabulary", "found more than %zu settings", vocabulary->setting_capacity);
        struct vocabulary_setting *const grown = arena_alloc(arena, capacity, sizeof *grown, err);
        if (grown == NULL)
            return STATUS_LIMIT;
        if (vocabulary->setting_count > 0)
            memcpy(grown, vocabulary->setting, vocabulary->setting_count * sizeof *grown);
        vocabulary->setting = grown;
        vocabulary->setting_capacity = capacity;
    }
    vocabulary->setting[vocabulary->setting_count++] = *setting;
    return STATUS_OK;
}

enum status vocabulary_set_id(struct vocabulary *vocabulary, enum vocabulary_key key, uint32_t id, struct arena *arena, struct err *err)
{
    return vocabulary_set(vocabulary, &(struct vocabulary_setting){.key = key, .id = id}, arena, err);
}

enum status vocabulary_set_flag(struct vocabulary *vocabulary, enum vocabulary_key key, bool flag, struct arena *arena, struct err *err)
{
    return vocabulary_set(vocabulary, &(struct vocabulary_setting){.key = key, .flag = flag}, arena, err);
}

const struct vocabulary_setting *vocabulary_find(const struct vocabulary *vocabulary, enum vocabulary_key key)
{
    for (uint32_t i = 0; i < vocabulary->setting_count; i++)
        if (vocabulary->setting[i].key == key)
            return &vocabulary->setting[i];
    return NULL;
}

bool vocabulary_strips(const struct vocabulary *vocabulary, const struct vocabulary_token *token)
{
    return vocabulary->strips && !slice_is(token->text, "<unk>") && !slice_is(token->text, "<s>") && !slice_is(token->text, "<|endoftext|>");
}

bool vocabulary_looks_special(struct slice text)
{
    static const char *const whole[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    static const char *const frame[][2] = {{"<|", "|>"}, {"<\xef\xbd\x9c", "\xef\xbd\x9c>"}, {"<unused", ">"}};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (slice_is(text, whole[i]))
            return true;
    for (size_t i = 0; i < sizeof frame / sizeof frame[0]; i++)
        if (slice_starts(text, frame[i][0]) && slice_ends(text, frame[i][1]))
            return true;
    return false;
}

struct slice vocabulary_spaced(struct slice text, struct arena *arena, struct err *err)
{
    char *const made = arena_copy(arena, text.data, text.size, err);
    size_t size = 0;
    for (size_t at = 0; made != NULL && at < text.size; size++) {
        const bool blank = text.size - at >= 3 && memcmp(text.data + at, "\xe2\x96\x81", 3) == 0;
        made[size] = blank ? ' ' : text.data[at];
        at += blank ? 3 : 1;
    }
    return (struct slice){made, size};
}

/* Continuation bytes, overlong forms, surrogates and values beyond U+10FFFF are no UTF-8. */
bool vocabulary_is_utf8(struct slice text)
{
    const unsigned char *const s = (const unsigned char *)text.data;
    for (size_t i = 0; i < text.size;) {
        const unsigned char c = s[i];
        const size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 4;
        if (more == 4 || more >= text.size - i)
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((s[i + k] & 0xc0) != 0x80)
                return false;
        if ((c == 0xe0 && s[i + 1] < 0xa0) || (c == 0xed && s[i + 1] >= 0xa0) || (c == 0xf0 && s[i + 1] < 0x90) || (c == 0xf4 && s[i + 1] >= 0x90))
            return false;
        i += more + 1;
    }
    return true;
}
