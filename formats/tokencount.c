#include "formats/tokencount.h"

#include "base/limits.h"
#include "container/json.h"

/* Members of an object, or entries of an array, whose first token was just returned. */
static enum status count_entries(struct json *json, const struct json_token *first, uint64_t *count, struct err *err)
{
    if (first->kind != JSON_OBJECT && first->kind != JSON_ARRAY)
        return err_set(err, STATUS_CORRUPT, json->where, "found no list of tokens at byte %zu", first->at);
    for (;;) {
        struct json_token token;
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END || token.kind == JSON_ARRAY_END)
            return STATUS_OK;
        if (token.kind == JSON_KEY)
            TRY(json_next(json, &token, err));
        TRY(json_skip(json, &token, err));
        *count += 1;
    }
}

/* The members of an object whose first token was just returned, or is next: `counted` adds to *count, in `entered` it is looked for again. */
static enum status count_members(struct json *json, const char *counted, const char *entered, uint64_t *count, struct err *err)
{
    struct json_token token;
    for (;;) {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return STATUS_OK;
        const bool counts = json_token_is(&token, counted), enters = entered != NULL && json_token_is(&token, entered);
        TRY(json_next(json, &token, err));
        if (counts)
            TRY(count_entries(json, &token, count, err));
        else if (enters && token.kind == JSON_OBJECT)
            TRY(count_members(json, "vocab", NULL, count, err)); /* one level, no deeper */
        else
            TRY(json_skip(json, &token, err));
    }
}

static enum status count_json(struct source *source, uint64_t *count, struct err *err)
{
    const char *path = source_path(source, "tokenizer.json", err);
    struct text text = {0};
    struct json_token token;
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(file_slurp(source->ops, path, LIMIT_JSON_TEXT_BYTES_MAX, &text, err));
    struct json json = json_over(path, (struct slice){text.data, text.size});
    enum status status = json_expect(&json, JSON_OBJECT, &token, err);
    if (status == STATUS_OK)
        status = count_members(&json, "added_tokens", "model", count, err);
    text_free(&text);
    return status;
}

enum status tokencount_find(struct source *source, struct source *base, const struct jsondoc *config, uint64_t *count, struct err *err)
{
    struct source *const places[] = {source, base};
    const struct arch *arch;
    *count = 0;
    TRY(hyper_arch(config, &arch, err));
    for (size_t p = 0; p < 2 && arch->cut_embedding; p++) {
        if (places[p] != NULL && source_has(places[p], "tokenizer.model")) {
            (void)hyper_count(arch, config, "vocab_size", count); /* stays 0 where it is not stated */
            return STATUS_OK;
        }
        if (places[p] != NULL && source_has(places[p], "tokenizer.json"))
            return count_json(places[p], count, err);
    }
    return STATUS_OK;
}
