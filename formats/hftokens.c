#include "formats/hftokens.h"

#include <stdlib.h>
#include <string.h>

static enum status copy(struct source *source, struct slice from, struct slice *to, struct err *err)
{
    const char *const made = arena_copy(&source->arena, from.data, from.size, err);
    *to = (struct slice){made, from.size};
    return made == NULL ? STATUS_LIMIT : STATUS_OK;
}

/* Control tokens keep their text; in user-defined ones U+2581 is a blank already. */
static enum status set_added(struct source *source, struct slice text, bool control, struct vocabulary_token *token, struct err *err)
{
    if (text.size == 0 || text.size > LIMIT_TOKEN_BYTES_MAX)
        return err_set(err, STATUS_CORRUPT, "added tokens", "found one of %zu bytes, expected 1 to %d", text.size, LIMIT_TOKEN_BYTES_MAX);
    token->type = control ? VOCABULARY_CONTROL : VOCABULARY_USER_DEFINED;
    token->score = VOCABULARY_ADDED_SCORE;
    if (control)
        return copy(source, text, &token->text, err);
    token->text = vocabulary_spaced(text, &source->arena, err);
    return token->text.data == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status replace_added_file(struct source *source, struct vocabulary *vocabulary, struct err *err)
{
    struct jsondoc *doc;
    enum status status = source_document(source, "added_tokens.json", &doc, err);
    for (const struct jsondoc *item = jsondoc_first(doc); item != NULL && status == STATUS_OK; item = jsondoc_next(item)) {
        int64_t id;
        if (jsondoc_name(item) == NULL || !jsondoc_int(item, &id) || id < 0) {
            status = err_set(err, STATUS_CORRUPT, "added_tokens.json", "found an entry that is no text with an id");
        } else if (id >= vocabulary->count) {
            struct slice text;
            status = copy(source, slice_of(jsondoc_name(item)), &text, err);
            vocabulary_leave(vocabulary, (uint64_t)id, text);
        } else {
            struct vocabulary_token *const token = &vocabulary->token[id];
            status = copy(source, slice_of(jsondoc_name(item)), &token->text, err);
            token->type = VOCABULARY_USER_DEFINED;
            token->score = VOCABULARY_ADDED_SCORE;
        }
    }
    jsondoc_free(doc);
    return status;
}

/* An entry of added_tokens_decoder: "id": {"content": ..., "special": ...}. */
static enum status take_entry(const struct jsondoc *entry, struct encoder_added *added, struct err *err)
{
    const char *const content = jsondoc_string(jsondoc_get(entry, "content"));
    uint64_t id;
    if (content == NULL || content[0] == '\0' || jsondoc_name(entry) == NULL || !slice_u64(slice_of(jsondoc_name(entry)), &id) || id > UINT32_MAX)
        return err_set(err, STATUS_CORRUPT, "tokenizer_config.json", "found the entry \"%.100s\" of added_tokens_decoder, expected an id with a content",
                       jsondoc_name(entry) == NULL ? "" : jsondoc_name(entry));
    *added = (struct encoder_added){.text = slice_of(content), .id = (uint32_t)id};
    (void)jsondoc_bool(jsondoc_get(entry, "special"), &added->special);
    (void)jsondoc_bool(jsondoc_get(entry, "normalized"), &added->normalized);
    (void)jsondoc_bool(jsondoc_get(entry, "single_word"), &added->single_word);
    (void)jsondoc_bool(jsondoc_get(entry, "lstrip"), &added->strip_left);
    (void)jsondoc_bool(jsondoc_get(entry, "rstrip"), &added->strip_right);
    return STATUS_OK;
}

enum status hftokens_replace(struct source *source, const struct jsondoc *config, const struct hftokenizer *more, struct vocabulary *vocabulary,
                             struct err *err)
{
    TRY(replace_added_file(source, vocabulary, err));
    const struct jsondoc *const decoder = jsondoc_get(config, "added_tokens_decoder");
    for (const struct jsondoc *entry = jsondoc_first(decoder); entry != NULL; entry = jsondoc_next(entry)) {
        struct encoder_added added;
        TRY(take_entry(entry, &added, err));
        if (added.id >= vocabulary->count) {
            TRY(copy(source, added.text, &added.text, err));
            vocabulary_leave(vocabulary, added.id, added.text);
            continue;
        }
        struct vocabulary_token *const token = &vocabulary->token[added.id];
        TRY(set_added(source, added.text, added.special || (more == NULL && vocabulary_looks_special(added.text)), token, err));
        if (more != NULL)
            TRY(copy(source, added.text, &token->text, err));
    }
    for (uint32_t i = 0; more != NULL && i < more->own_count; i++) {
        if (more->added[i].declared >= vocabulary->count)
            return err_set(err, STATUS_CORRUPT, more->where, "found the added token %u, expected an id below %u", more->added[i].declared, vocabulary->count);
        struct vocabulary_token *const token = &vocabulary->token[more->added[i].declared];
        TRY(set_added(source, more->added[i].text, more->added[i].special, token, err));
        TRY(copy(source, more->added[i].text, &token->text, err));
    }
    return STATUS_OK;
}

/* Adds what the map of added texts lacks. */
static enum status add_one(struct hftokenizer *tokenizer, struct map *there, struct encoder_added added, struct err *err)
{
    uint32_t existing;
    if (map_find(there, added.text) != MAP_NONE)
        return STATUS_OK;
    const char *const text = arena_copy(&tokenizer->arena, added.text.data, added.text.size, err);
    if (text == NULL)
        return STATUS_LIMIT;
    added.text.data = text;
    TRY(map_add(there, added.text, added.id, &existing, err));
    return hftokenizer_add(tokenizer, &added, err);
}

static enum status add_file(struct source *source, struct hftokenizer *tokenizer, struct map *there, struct err *err)
{
    struct jsondoc *doc;
    enum status status = source_document(source, "added_tokens.json", &doc, err);
    for (const struct jsondoc *item = jsondoc_first(doc); item != NULL && status == STATUS_OK; item = jsondoc_next(item)) {
        int64_t id;
        if (jsondoc_name(item) == NULL || !jsondoc_int(item, &id) || id < 0 || id > UINT32_MAX)
            status = err_set(err, STATUS_CORRUPT, "added_tokens.json", "found an entry that is no text with an id");
        else
            status = add_one(tokenizer, there, (struct encoder_added){.text = slice_of(jsondoc_name(item)), .id = (uint32_t)id}, err);
    }
    jsondoc_free(doc);
    return status;
}

/* The ids that the tokenizers library gives added tokens, whatever their files say: that of the model's token of the same text, else the next one
 * (huggingface/tokenizers:tokenizers/src/tokenizer/added_vocabulary.rs, add_tokens). */
static enum status number_added(struct hftokenizer *tokenizer, struct map *ids, struct err *err)
{
    uint32_t next = tokenizer->token_count, existing;
    for (uint32_t i = 0; i < tokenizer->token_count; i++)
        TRY(map_add(ids, tokenizer->token[i].text, tokenizer->token[i].id, &existing, err));
    for (uint32_t i = 0; i < tokenizer->added_count; i++) {
        struct encoder_added *const added = &tokenizer->added[i];
        const uint32_t known = map_find(ids, added->text);
        added->id = known == MAP_NONE ? next : known;
        next = added->id >= next ? added->id + 1 : next;
        if (known == MAP_NONE)
            TRY(map_add(ids, added->text, added->id, &existing, err));
    }
    return STATUS_OK;
}

static enum status add_all(struct source *source, const struct jsondoc *config, bool old, struct hftokenizer *tokenizer, struct map *there, struct err *err)
{
    for (uint32_t i = 0; i < tokenizer->added_count; i++) {
        uint32_t existing;
        TRY(map_add(there, tokenizer->added[i].text, tokenizer->added[i].id, &existing, err));
    }
    const struct jsondoc *const decoder = jsondoc_get(config, "added_tokens_decoder");
    for (const struct jsondoc *entry = jsondoc_first(decoder); entry != NULL; entry = jsondoc_next(entry)) {
        struct encoder_added added;
        TRY(take_entry(entry, &added, err));
        TRY(add_one(tokenizer, there, added, err));
    }
    return old ? add_file(source, tokenizer, there, err) : STATUS_OK;
}

enum status hftokens_add_missing(struct source *source, const struct jsondoc *config, bool old, struct hftokenizer *tokenizer, struct err *err)
{
    struct map there = {0};
    struct map ids = {0};
    enum status status = add_all(source, config, old, tokenizer, &there, err);
    if (status == STATUS_OK)
        status = number_added(tokenizer, &ids, err);
    map_free(&there);
    map_free(&ids);
    return status;
}

/* "left right"; a blank inside a part is written as the byte-level alphabet's. */
static enum status join_merge(struct source *source, const struct bpe_merge *merge, struct slice *joined, struct err *err)
{
    char *const made = arena_alloc(&source->arena, ((uint64_t)merge->left.size + merge->right.size) * 2 + 2, 1, err);
    const struct slice part[2] = {merge->left, merge->right};
    size_t size = 0;
    if (made == NULL)
        return STATUS_LIMIT;
    for (size_t p = 0; p < 2; p++) {
        if (p == 1)
            made[size++] = ' ';
        for (size_t i = 0; i < part[p].size; i++) {
            if (part[p].data[i] == ' ')
                made[size++] = '\xc4';
            made[size++] = part[p].data[i] == ' ' ? '\xa0' : part[p].data[i]; /* U+0120 */
        }
    }
    *joined = (struct slice){made, size};
    return STATUS_OK;
}

static enum status copy_merges(struct source *source, const struct hftokenizer *tokenizer, struct vocabulary *vocabulary, struct err *err)
{
    vocabulary->merge = arena_alloc(&source->arena, tokenizer->merge_count, sizeof *vocabulary->merge, err);
    if (vocabulary->merge == NULL)
        return STATUS_LIMIT;
    for (uint32_t i = 0; i < tokenizer->merge_count; i++)
        TRY(join_merge(source, &tokenizer->merge[i], &vocabulary->merge[i], err));
    vocabulary->merge_count = tokenizer->merge_count;
    return STATUS_OK;
}

/* One more than the largest id of tokens and added ones: CORRUPT where that is beyond `tokens` (0: no bound). */
static enum status count_tokens(const struct hftokenizer *tokenizer, uint64_t tokens, uint64_t *count, struct err *err)
{
    *count = 0;
    for (uint32_t i = 0; i < tokenizer->token_count; i++)
        *count = tokenizer->token[i].id >= *count ? tokenizer->token[i].id + UINT64_C(1) : *count;
    for (uint32_t i = 0; i < tokenizer->added_count; i++)
        *count = tokenizer->added[i].id >= *count ? tokenizer->added[i].id + UINT64_C(1) : *count;
    if (tokens > 0 && *count > tokens)
        return err_set(err, STATUS_CORRUPT, tokenizer->where, "found the id %llu, expected ids below config.json's vocab_size, %llu",
                       (unsigned long long)*count - 1, (unsigned long long)tokens);
    return STATUS_OK;
}

static enum status fill_added(struct source *source, struct hftokenizer *tokenizer, const struct encoder_added *added, struct vocabulary_token *token,
                              struct err *err)
{
    struct slice text = added->text;
    if (!added->normalized) /* as it is encoded and decoded */
        TRY(hftokenizer_decode(tokenizer, added->text, &text, err));
    return set_added(source, text, added->special || vocabulary_looks_special(text), token, err);
}

static void count_renumbered(const struct hftokenizer *tokenizer, struct vocabulary *vocabulary)
{
    for (uint32_t i = 0; i < tokenizer->added_count; i++)
        vocabulary->renumbered += tokenizer->added[i].id != tokenizer->added[i].declared;
}

enum status hftokens_fill(struct source *source, struct hftokenizer *tokenizer, uint64_t tokens, struct vocabulary *vocabulary, struct err *err)
{
    uint64_t count;
    TRY(count_tokens(tokenizer, tokens, &count, err));
    vocabulary->kind = VOCABULARY_GPT2;
    TRY(vocabulary_pad(vocabulary, tokens > 0 ? tokens : count, &source->arena, err));
    for (uint32_t i = 0; i < tokenizer->token_count; i++) {
        struct vocabulary_token *const token = &vocabulary->token[tokenizer->token[i].id];
        if (token->type != VOCABULARY_UNUSED)
            return err_set(err, STATUS_CORRUPT, tokenizer->where, "found the id %u twice, expected each once", tokenizer->token[i].id);
        token->type = VOCABULARY_NORMAL;
        TRY(copy(source, tokenizer->token[i].text, &token->text, err));
    }
    for (uint32_t i = 0; i < tokenizer->added_count; i++)
        TRY(fill_added(source, tokenizer, &tokenizer->added[i], &vocabulary->token[tokenizer->added[i].id], err));
    count_renumbered(tokenizer, vocabulary);
    return copy_merges(source, tokenizer, vocabulary, err);
}

/* --- SentencePiece in a tokenizer.json --- */

static bool is_byte(struct slice text)
{
    static const char digits[] = "0123456789ABCDEFabcdef";
    return text.size == 6 && memcmp(text.data, "<0x", 3) == 0 && text.data[5] == '>' && memchr(digits, text.data[3], 22) != NULL &&
           memchr(digits, text.data[4], 22) != NULL;
}

static bool names_token(const struct jsondoc *value, struct slice text)
{
    const char *const plain = jsondoc_string(value), *const content = jsondoc_string(jsondoc_get(value, "content"));
    return (plain != NULL && slice_is(text, plain)) || (content != NULL && slice_is(text, content));
}

/* True for the texts of transformers' all_special_tokens. */
static bool is_named_special(const struct jsondoc *config, struct slice text)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names_token(jsondoc_get(config, names[i]), text))
            return true;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const struct jsondoc *item = jsondoc_first(jsondoc_get(config, lists[i])); item != NULL; item = jsondoc_next(item))
            if (names_token(item, text))
                return true;
    return false;
}

static int by_id(const void *a, const void *b)
{
    const uint32_t left = (*(const struct encoder_added *const *)a)->id, right = (*(const struct encoder_added *const *)b)->id;
    return left < right ? -1 : left > right;
}

/* Added tokens after the model's own, by id. */
static enum status fill_later(struct source *source, const struct jsondoc *config, const struct hftokenizer *tokenizer, struct vocabulary *vocabulary,
                              struct err *err)
{
    const struct encoder_added **const later = arena_alloc(&source->arena, tokenizer->added_count, sizeof *later, err);
    const uint32_t own = tokenizer->token_count;
    uint32_t count = 0;
    if (later == NULL)
        return STATUS_LIMIT;
    for (uint32_t i = 0; i < tokenizer->added_count; i++)
        if (tokenizer->added[i].id >= own)
            later[count++] = &tokenizer->added[i];
    if (count > 0)
        qsort(later, count, sizeof *later, by_id);
    for (uint32_t i = 0; i < count; i++) {
        if (later[i]->id != own + i)
            return err_set(err, STATUS_CORRUPT, tokenizer->where, "found the added token %u, expected the id %u: ids that leave no gap", later[i]->id,
                           own + i);
        struct vocabulary_token *const token = &vocabulary->token[own + i];
        TRY(copy(source, later[i]->text, &token->text, err));
        token->type = is_named_special(config, token->text) ? VOCABULARY_CONTROL : VOCABULARY_USER_DEFINED;
        token->score = VOCABULARY_ADDED_SCORE;
    }
    return STATUS_OK;
}

enum status hftokens_fill_sentencepiece(struct source *source, const struct jsondoc *config, const struct hftokenizer *tokenizer,
                                        struct vocabulary *vocabulary, struct err *err)
{
    uint64_t count;
    TRY(count_tokens(tokenizer, 0, &count, err));
    vocabulary->kind = VOCABULARY_LLAMA;
    vocabulary->pre = "default";
    vocabulary->scored = true;
    TRY(vocabulary_pad(vocabulary, count, &source->arena, err));
    for (uint32_t i = 0; i < tokenizer->token_count; i++) {
        const struct bpe_token *const from = &tokenizer->token[i];
        if (from->id >= tokenizer->token_count || vocabulary->token[from->id].type != VOCABULARY_UNUSED)
            return err_set(err, STATUS_CORRUPT, tokenizer->where, "found the id %u, expected each below %u once", from->id, tokenizer->token_count);
        struct vocabulary_token *const token = &vocabulary->token[from->id];
        TRY(copy(source, from->text, &token->text, err));
        token->type = is_byte(from->text) ? VOCABULARY_BYTE : is_named_special(config, from->text) ? VOCABULARY_CONTROL : VOCABULARY_NORMAL;
        token->score = VOCABULARY_ADDED_SCORE;
    }
    count_renumbered(tokenizer, vocabulary);
    return fill_later(source, config, tokenizer, vocabulary, err);
}
