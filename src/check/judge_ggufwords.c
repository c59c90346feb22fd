/* E23: the tokenizer of a GGUF file, and what lies beside it. Read from ggml-org/llama.cpp:src/llama-vocab.cpp (impl::load). */
#include "check/ggufkeys.h"
#include "check/rules.h"
#include "check/spread.h"
#include "container/ggufile_value.h"
#include "formats/gguf_vocabulary.h"
#include "tokenizer/prename.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES_MAX 60

/* Tokenizers by tokenizer.ggml.model. */
static const struct {
    const char *name;
    bool tokens, merges; /* needs them */
} models[] = {{"llama", true, false},   {"gpt2", true, true},   {"hybriddna", true, true}, {"whitespace", true, true}, {"gemma4", true, true},
              {"bert", true, false},    {"t5", true, false},    {"rwkv", true, false},     {"plamo2", true, false},    {"test", true, false},
              {"no_vocab", false, false}, {"none", false, false}};

static enum status report(struct subject *subject, enum severity severity, const char *where, const char *found, const char *expected, struct err *err)
{
    return subject_report(subject, (struct remark){severity, where, found, expected, NULL, 0}, err);
}

static bool take_text(const struct subject *subject, const char *key, char text[NAME_BYTES_MAX])
{
    return ggufkeys_text(&subject->gguf, key, text, NAME_BYTES_MAX);
}

/* An array of `count` elements at least; elements of either kind. */
static enum status judge_array(struct subject *subject, const char *key, enum ggufile_kind kind, enum ggufile_kind other, uint64_t count, struct err *err)
{
    const struct ggufile_value *value = ggufset_value(&subject->gguf, key);
    if (value->kind != GGUFILE_ARRAY || (value->element != kind && value->element != other))
        return report(subject, SEVERITY_FAIL, key, subject_text(subject, err, "a value of type %s%s", value->kind == GGUFILE_ARRAY ? "array of " : "",
                      ggufile_kind_name(value->element)), subject_text(subject, err, "an array of %s", ggufile_kind_name(kind)), err);
    if (value->count >= count)
        return STATUS_OK;
    return report(subject, SEVERITY_FAIL, key, subject_text(subject, err, "%" PRIu64 " elements", value->count),
                  subject_text(subject, err, "%" PRIu64 ", one for each token", count), err);
}

static enum status judge_pre(struct subject *subject, struct err *err)
{
    char pre[NAME_BYTES_MAX];
    if (!take_text(subject, GGUF_VOCABULARY_PRE, pre) || pre[0] == '\0')
        return report(subject, SEVERITY_WARN, GGUF_VOCABULARY_PRE, "no such key: the engine splits text by its default rules", "the pre-tokenizer's name", err);
    if (strcmp(pre, "default") == 0 || prename_known(pre))
        return STATUS_OK;
    return report(subject, SEVERITY_FAIL, GGUF_VOCABULARY_PRE, subject_text(subject, err, "\"%s\"", pre), "the name of a pre-tokenizer that llama.cpp has",
                  err);
}

static enum status judge_tokens(struct subject *subject, bool merges, struct err *err)
{
    char pre[NAME_BYTES_MAX];
    const struct ggufile_value *tokens = ggufset_value(&subject->gguf, GGUF_VOCABULARY_TOKENS);
    if (tokens == NULL)
        return report(subject, SEVERITY_FAIL, GGUF_VOCABULARY_TOKENS, "no such key", "the tokens", err);
    TRY(judge_array(subject, GGUF_VOCABULARY_TOKENS, GGUFILE_STRING, GGUFILE_STRING, 0, err));
    const uint64_t count = tokens->kind == GGUFILE_ARRAY ? tokens->count : 0;
    if (ggufset_value(&subject->gguf, GGUF_VOCABULARY_SCORES) != NULL)
        TRY(judge_array(subject, GGUF_VOCABULARY_SCORES, GGUFILE_F32, GGUFILE_I32, count, err));
    if (ggufset_value(&subject->gguf, GGUF_VOCABULARY_TYPES) != NULL)
        TRY(judge_array(subject, GGUF_VOCABULARY_TYPES, GGUFILE_I32, GGUFILE_I32, count, err));
    if (!merges)
        return STATUS_OK;
    if (ggufset_value(&subject->gguf, GGUF_VOCABULARY_MERGES) != NULL)
        return judge_array(subject, GGUF_VOCABULARY_MERGES, GGUFILE_STRING, GGUFILE_STRING, 0, err);
    if (take_text(subject, GGUF_VOCABULARY_PRE, pre) && strcmp(pre, "kimi-k2") == 0) /* splits without them */
        return STATUS_OK;
    return report(subject, SEVERITY_FAIL, GGUF_VOCABULARY_MERGES, "no such key", "the merges of byte-level BPE", err);
}

/* Two tokens of one text. */
static enum status judge_twins(struct subject *subject, struct err *err)
{
    struct ggufile_array tokens;
    struct slice word;
    struct map seen = {0};
    bool present = false;
    enum status status = ggufile_value_array(&subject->gguf.file[0].gguf, GGUF_VOCABULARY_TOKENS, GGUFILE_STRING, &tokens, &present, NULL);
    if (status != STATUS_OK || !present) /* the rule has said it */
        return STATUS_OK;
    for (uint32_t id = 0; ggufile_value_next(&tokens, &word) && status == STATUS_OK; id++) {
        uint32_t before = MAP_NONE;
        if (word.size > 0)
            status = map_add(&seen, word, id, &before, err);
        if (before == MAP_NONE)
            continue;
        status = report(subject, SEVERITY_FAIL, GGUF_VOCABULARY_TOKENS,
                        subject_text(subject, err, "tokens %" PRIu32 " and %" PRIu32 " of one text", before, id),
                        "every text once: the engine stops there", err);
        break;
    }
    map_free(&seen);
    return status;
}

/* Ids that name no token: the engine falls back to its own. */
static enum status judge_ids(struct subject *subject, struct err *err)
{
    const struct ggufile *gguf = &subject->gguf.file[0].gguf;
    const struct ggufile_value *tokens = ggufset_value(&subject->gguf, GGUF_VOCABULARY_TOKENS);
    for (size_t i = 0; tokens != NULL && i < gguf->value_count; i++) {
        const struct ggufile_value *value = &gguf->value[i];
        if (!slice_starts(value->key, "tokenizer.ggml.") || !slice_ends(value->key, "_token_id") || slice_is(value->key, "tokenizer.ggml.cls_token_id"))
            continue; /* the first is not read */
        uint32_t id = 0;
        const char *key = subject_text(subject, err, "%.*s", value->key.size < 200 ? (int)value->key.size : 200, value->key.data);
        if (key == NULL)
            return STATUS_LIMIT;
        if (value->kind != GGUFILE_U32) {
            TRY(report(subject, SEVERITY_FAIL, key, subject_text(subject, err, "a value of type %s%s", value->kind == GGUFILE_ARRAY ? "array of " : "",
                       ggufile_kind_name(value->element)), "u32", err));
            continue;
        }
        TRY(ggufile_value_u32(gguf, key, &id, NULL, err));
        if (id >= tokens->count)
            TRY(report(subject, SEVERITY_WARN, key, subject_text(subject, err, "id %" PRIu32, id),
                       subject_text(subject, err, "one below %" PRIu64 ": the engine takes its default instead", tokens->count), err));
    }
    return STATUS_OK;
}

enum status judge_ggufwords_pairs(struct subject *subject, struct err *err)
{
    char model[NAME_BYTES_MAX], type[GGUFKEYS_ARCH_BYTES_MAX];
    if (!subject->gguf.file[0].present || subject->gguf.file[0].gguf.value == NULL || ggufkeys_other(&subject->gguf, type))
        return STATUS_OK; /* not a model at all */
    if (!take_text(subject, GGUF_VOCABULARY_MODEL, model))
        return report(subject, SEVERITY_FAIL, GGUF_VOCABULARY_MODEL, "no such key", "the tokenizer's name: the engine loads no model without one", err);
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        if (strcmp(models[m].name, model) != 0)
            continue;
        if (models[m].merges && strcmp(model, "gemma4") != 0)
            TRY(judge_pre(subject, err));
        if (models[m].tokens)
            TRY(judge_tokens(subject, models[m].merges, err));
        if (models[m].tokens)
            TRY(judge_twins(subject, err));
        return judge_ids(subject, err);
    }
    return report(subject, SEVERITY_FAIL, GGUF_VOCABULARY_MODEL, subject_text(subject, err, "\"%s\"", model), "a tokenizer that llama.cpp has", err);
}

/* --- what lies beside ------------------------------------------------------------------------------------------------------- */

static bool is_beside(struct subject *subject, const char *name)
{
    const char *path = source_path(&subject->source, name, NULL);
    return path != NULL && file_stat(path, NULL) == FILE_REGULAR;
}

enum status judge_ggufwords_beside(struct subject *subject, struct err *err)
{
    const bool tokenizer = is_beside(subject, "tokenizer.json") || is_beside(subject, "tokenizer.model") || is_beside(subject, "vocab.json");
    if (!tokenizer)
        TRY(report(subject, SEVERITY_WARN, subject->gguf.file[0].name, "no tokenizer beside the file",
                   "that of the float model (--tokenizer): the one that is made of a GGUF file is slow and may differ", err));
    if (is_beside(subject, "config.json"))
        return STATUS_OK;
    return report(subject, SEVERITY_WARN, subject->gguf.file[0].name, "no config.json beside the file",
                  "that of the float model (--hf-config-path), unless transformers makes one of this architecture", err);
}
