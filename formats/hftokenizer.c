#include "formats/hftokenizer.h"

#include "base/limits.h"
#include "container/json.h"

#include <stdlib.h>
#include <string.h>

static enum status add_token(struct hftokenizer *tokenizer, struct slice text, uint64_t id, struct err *err)
{
    if (text.size == 0 || text.size > LIMIT_TOKEN_BYTES_MAX)
        return err_set(err, STATUS_CORRUPT, tokenizer->where, "found a token of %zu bytes, expected 1 to %d", text.size, LIMIT_TOKEN_BYTES_MAX);
    if (id >= LIMIT_VOCABULARY_TOKENS_MAX)
        return err_set(err, STATUS_LIMIT, tokenizer->where, "found the id %llu, expected less than %u", (unsigned long long)id,
                       LIMIT_VOCABULARY_TOKENS_MAX);
    if (tokenizer->token_count == LIMIT_VOCABULARY_TOKENS_MAX)
        return err_set(err, STATUS_LIMIT, tokenizer->where, "found more than %u tokens", LIMIT_VOCABULARY_TOKENS_MAX);
    TRY(mem_grow((void **)&tokenizer->token, &tokenizer->token_capacity, tokenizer->token_count + 1u, sizeof *tokenizer->token, err));
    tokenizer->token[tokenizer->token_count++] = (struct bpe_token){text, (uint32_t)id};
    return STATUS_OK;
}

static enum status add_merge(struct hftokenizer *tokenizer, struct slice left, struct slice right, struct err *err)
{
    if (tokenizer->merge_count == LIMIT_VOCABULARY_MERGES_MAX)
        return err_set(err, STATUS_LIMIT, tokenizer->where, "found more than %u merges", LIMIT_VOCABULARY_MERGES_MAX);
    TRY(mem_grow((void **)&tokenizer->merge, &tokenizer->merge_capacity, tokenizer->merge_count + 1u, sizeof *tokenizer->merge, err));
    tokenizer->merge[tokenizer->merge_count++] = (struct bpe_merge){left, right};
    return STATUS_OK;
}

enum status hftokenizer_add(struct hftokenizer *tokenizer, const struct encoder_added *added, struct err *err)
{
    if (tokenizer->added_count == LIMIT_ADDED_TOKENS_MAX)
        return err_set(err, STATUS_LIMIT, tokenizer->where, "found more than %u added tokens", LIMIT_ADDED_TOKENS_MAX);
    if (added->text.size == 0 || added->text.size > LIMIT_TOKEN_BYTES_MAX || added->id >= LIMIT_VOCABULARY_TOKENS_MAX)
        return err_set(err, STATUS_CORRUPT, tokenizer->where, "found an added token of %zu bytes with the id %u, expected 1 to %d bytes and an id below %u",
                       added->text.size, added->id, LIMIT_TOKEN_BYTES_MAX, LIMIT_VOCABULARY_TOKENS_MAX);
    TRY(mem_grow((void **)&tokenizer->added, &tokenizer->added_capacity, tokenizer->added_count + 1u, sizeof *tokenizer->added, err));
    tokenizer->added[tokenizer->added_count] = *added;
    tokenizer->added[tokenizer->added_count++].declared = added->id;
    return STATUS_OK;
}

static enum status take_string(struct hftokenizer *tokenizer, const struct json *json, const struct json_token *token, struct slice *string,
                               struct err *err)
{
    const char *text;
    size_t size;
    TRY(json_string(json, token, &tokenizer->arena, &text, &size, err));
    *string = (struct slice){text, size};
    return STATUS_OK;
}

/* "vocab": {"text": id, ...}; the lists of other models are skipped. */
static enum status read_vocabulary(struct hftokenizer *tokenizer, struct json *json, struct err *err)
{
    struct json_token token, number;
    TRY(json_next(json, &token, err));
    if (token.kind != JSON_OBJECT)
        return json_skip(json, &token, err);
    for (;;) {
        struct slice text;
        uint64_t id;
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return STATUS_OK;
        TRY(take_string(tokenizer, json, &token, &text, err));
        TRY(json_expect(json, JSON_NUMBER, &number, err));
        TRY(json_u64(json, &number, &id, err));
        TRY(add_token(tokenizer, text, id, err));
    }
}

/* "left right", with one blank. */
static enum status cut_merge(struct hftokenizer *tokenizer, struct slice text, struct err *err)
{
    const char *const blank = memchr(text.data, ' ', text.size);
    const size_t left = blank == NULL ? 0 : (size_t)(blank - text.data);
    const struct slice right = {text.data + left + 1, blank == NULL ? 0 : text.size - left - 1};
    if (left == 0 || right.size == 0 || memchr(right.data, ' ', right.size) != NULL)
        return err_set(err, STATUS_CORRUPT, tokenizer->where, "found the merge \"%.*s\", expected two texts with a blank between them",
                       (int)(text.size < 200 ? text.size : 200), text.data);
    return add_merge(tokenizer, (struct slice){text.data, left}, right, err);
}

/* "merges": ["left right", ...] or [["left", "right"], ...] */
static enum status read_merges(struct hftokenizer *tokenizer, struct json *json, struct err *err)
{
    struct json_token token, right_token;
    TRY(json_next(json, &token, err));
    if (token.kind != JSON_ARRAY)
        return json_skip(json, &token, err);
    for (;;) {
        struct slice left, right;
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_ARRAY_END)
            return STATUS_OK;
        if (token.kind == JSON_ARRAY) {
            TRY(json_expect(json, JSON_STRING, &token, err));
            TRY(json_expect(json, JSON_STRING, &right_token, err));
            TRY(take_string(tokenizer, json, &token, &left, err));
            TRY(take_string(tokenizer, json, &right_token, &right, err));
            TRY(json_expect(json, JSON_ARRAY_END, &token, err));
            TRY(add_merge(tokenizer, left, right, err));
        } else if (token.kind == JSON_STRING) {
            TRY(take_string(tokenizer, json, &token, &left, err));
            TRY(cut_merge(tokenizer, left, err));
        } else {
            return err_set(err, STATUS_CORRUPT, tokenizer->where, "found a merge at byte %zu that is neither a string nor a pair of strings", token.at);
        }
    }
}

static enum status read_model_member(struct hftokenizer *tokenizer, struct json *json, const struct json_token *key, struct err *err)
{
    struct json_token token;
    struct slice text;
    if (json_token_is(key, "vocab"))
        return read_vocabulary(tokenizer, json, err);
    if (json_token_is(key, "merges"))
        return read_merges(tokenizer, json, err);
    TRY(json_next(json, &token, err));
    if (token.kind == JSON_STRING && json_token_is(key, "type")) {
        TRY(take_string(tokenizer, json, &token, &text, err));
        tokenizer->type = text.data;
    } else if (token.kind == JSON_STRING && json_token_is(key, "unk_token")) {
        TRY(take_string(tokenizer, json, &token, &text, err));
        tokenizer->unknown = text.data;
    } else if (json_token_is(key, "ignore_merges")) {
        tokenizer->ignore_merges = token.kind == JSON_TRUE;
    } else if (json_token_is(key, "byte_fallback")) {
        tokenizer->byte_fallback = token.kind == JSON_TRUE;
        tokenizer->says_fallback = true;
    } else if (json_token_is(key, "fuse_unk")) {
        tokenizer->fuse_unknown = token.kind == JSON_TRUE;
    } else if (json_token_is(key, "dropout")) {
        tokenizer->has_dropout = token.kind == JSON_NUMBER;
    } else if (token.kind == JSON_STRING && (json_token_is(key, "continuing_subword_prefix") || json_token_is(key, "end_of_word_suffix"))) {
        tokenizer->has_affixes = tokenizer->has_affixes || token.text.size > 2; /* more than its quotes */
    }
    return json_skip(json, &token, err);
}

static enum status read_model(struct hftokenizer *tokenizer, struct json *json, struct err *err)
{
    struct json_token token;
    TRY(json_expect(json, JSON_OBJECT, &token, err));
    for (;;) {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return STATUS_OK;
        TRY(read_model_member(tokenizer, json, &token, err));
    }
}

static enum status read_added_one(struct hftokenizer *tokenizer, struct json *json, struct err *err)
{
    struct encoder_added added = {.id = UINT32_MAX};
    struct json_token key, token;
    for (;;) {
        TRY(json_next(json, &key, err));
        if (key.kind == JSON_OBJECT_END)
            return hftokenizer_add(tokenizer, &added, err);
        TRY(json_next(json, &token, err));
        const bool truth = token.kind == JSON_TRUE;
        uint64_t id;
        if (json_token_is(&key, "id")) {
            TRY(json_u64(json, &token, &id, err));
            added.id = id < UINT32_MAX ? (uint32_t)id : UINT32_MAX;
        } else if (json_token_is(&key, "content") && token.kind == JSON_STRING) {
            TRY(take_string(tokenizer, json, &token, &added.text, err));
        } else if (json_token_is(&key, "special")) {
            added.special = truth;
        } else if (json_token_is(&key, "normalized")) {
            added.normalized = truth;
        } else if (json_token_is(&key, "single_word")) {
            added.single_word = truth;
        } else if (json_token_is(&key, "lstrip")) {
            added.strip_left = truth;
        } else if (json_token_is(&key, "rstrip")) {
            added.strip_right = truth;
        }
        TRY(json_skip(json, &token, err));
    }
}

static enum status read_added(struct hftokenizer *tokenizer, struct json *json, struct err *err)
{
    struct json_token token;
    TRY(json_expect(json, JSON_ARRAY, &token, err));
    for (;;) {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_ARRAY_END)
            return STATUS_OK;
        if (token.kind != JSON_OBJECT)
            return err_set(err, STATUS_CORRUPT, tokenizer->where, "found an added token at byte %zu that is no object", token.at);
        TRY(read_added_one(tokenizer, json, err));
    }
}

static enum status read_part(struct hftokenizer *tokenizer, struct json *json, struct jsondoc **part, struct err *err)
{
    struct json_token token;
    TRY(json_next(json, &token, err));
    TRY(json_skip(json, &token, err));
    if (token.kind != JSON_OBJECT)
        return STATUS_OK;
    jsondoc_free(*part);
    return jsondoc_parse(tokenizer->where, (struct slice){json->text.data + token.at, json->at - token.at}, part, err);
}

static enum status read_members(struct hftokenizer *tokenizer, struct json *json, struct err *err)
{
    struct json_token token;
    TRY(json_expect(json, JSON_OBJECT, &token, err));
    for (;;) {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return json_expect(json, JSON_END, &token, err);
        if (json_token_is(&token, "model")) {
            TRY(read_model(tokenizer, json, err));
        } else if (json_token_is(&token, "added_tokens")) {
            TRY(read_added(tokenizer, json, err));
        } else if (json_token_is(&token, "normalizer")) {
            TRY(read_part(tokenizer, json, &tokenizer->normalizer, err));
        } else if (json_token_is(&token, "pre_tokenizer")) {
            TRY(read_part(tokenizer, json, &tokenizer->pre_tokenizer, err));
        } else if (json_token_is(&token, "post_processor")) {
            TRY(read_part(tokenizer, json, &tokenizer->post_processor, err));
        } else if (json_token_is(&token, "decoder")) {
            TRY(read_part(tokenizer, json, &tokenizer->decoder, err));
        } else {
            TRY(json_next(json, &token, err));
            TRY(json_skip(json, &token, err));
        }
    }
}

enum status hftokenizer_read(const char *where, struct slice text, struct hftokenizer *tokenizer, struct err *err)
{
    struct json json = json_over(where, text);
    *tokenizer = (struct hftokenizer){.where = where};
    const enum status status = read_members(tokenizer, &json, err);
    tokenizer->own_count = tokenizer->added_count;
    if (status != STATUS_OK)
        hftokenizer_close(tokenizer);
    return status;
}

/* One line of merges.txt without its blanks at both ends: two words, or nothing. */
static enum status read_line(struct hftokenizer *tokenizer, struct slice line, struct err *err)
{
    struct slice word[2] = {{0}};
    size_t words = 0;
    for (size_t i = 0; i < line.size;) {
        size_t end = i;
        while (end < line.size && strchr(" \t\r\v\f", line.data[end]) == NULL)
            end++;
        if (end > i) {
            if (words < 2)
                word[words] = (struct slice){line.data + i, end - i};
            words++;
        }
        i = end + (end < line.size);
    }
    return words == 2 ? add_merge(tokenizer, word[0], word[1], err) : STATUS_OK;
}

static enum status read_old(struct hftokenizer *tokenizer, struct slice vocabulary, struct slice merges, struct err *err)
{
    struct json json = json_over(tokenizer->where, vocabulary);
    struct json_token token;
    TRY(read_vocabulary(tokenizer, &json, err));
    TRY(json_expect(&json, JSON_END, &token, err));
    const char *const copy = arena_copy(&tokenizer->arena, merges.data == NULL ? "" : merges.data, merges.size, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    for (size_t at = 0; at < merges.size;) {
        const char *const end = memchr(copy + at, '\n', merges.size - at);
        const size_t size = end == NULL ? merges.size - at : (size_t)(end - copy) - at;
        if (at > 0 || copy[0] != '#') /* "#version: 0.2" */
            TRY(read_line(tokenizer, (struct slice){copy + at, size}, err));
        at += size + 1;
    }
    return STATUS_OK;
}

enum status hftokenizer_read_old(struct slice vocabulary, struct slice merges, struct hftokenizer *tokenizer, struct err *err)
{
    *tokenizer = (struct hftokenizer){.where = "vocab.json", .type = "BPE"};
    const enum status status = read_old(tokenizer, vocabulary, merges, err);
    if (status != STATUS_OK)
        hftokenizer_close(tokenizer);
    return status;
}

enum status hftokenizer_encode(const struct hftokenizer *tokenizer, struct slice text, struct bpe_ids *ids, struct err *err)
{
    const struct bpe_source source = {tokenizer->where,         tokenizer->token,         tokenizer->merge,
                                      tokenizer->token_count,   tokenizer->merge_count,   slice_of(tokenizer->unknown),
                                      tokenizer->ignore_merges, tokenizer->byte_fallback, tokenizer->fuse_unknown};
    struct bpe bpe;
    TRY(bpe_open(&source, &bpe, err));
    const struct encoder encoder = {tokenizer->added,  tokenizer->added_count, tokenizer->step,         tokenizer->step_count, tokenizer->splitter, &bpe,
                                    tokenizer->before, tokenizer->after,       tokenizer->before_count, tokenizer->after_count};
    const enum status status = encoder_encode(&encoder, text, ids, err);
    bpe_close(&bpe);
    return status;
}

void hftokenizer_close(struct hftokenizer *tokenizer)
{
    for (size_t i = 0; i < tokenizer->regex_count; i++)
        regex_free(tokenizer->regex[i]);
    jsondoc_free(tokenizer->normalizer);
    jsondoc_free(tokenizer->pre_tokenizer);
    jsondoc_free(tokenizer->post_processor);
    jsondoc_free(tokenizer->decoder);
    free(tokenizer->token);
    free(tokenizer->merge);
    free(tokenizer->added);
    arena_free(&tokenizer->arena);
    *tokenizer = (struct hftokenizer){0};
}
