#include "tokenizer/bpe.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* (left, right) -> rank and the token that they become. */
struct bpe_pair {
    uint32_t left, right; /* left NONE: free */
    uint32_t rank, made;
};

/* A token of a word, in a list that merging shortens. */
struct symbol {
    uint32_t id;
    uint32_t previous, next; /* NONE at the ends */
    bool gone;
};
/* A merge that may be due; in a heap, the smallest rank first, of equal ones the leftmost. */
struct due {
    uint32_t rank, at, made;
};
struct word {
    struct symbol *symbol; /* owned */
    size_t count, capacity;
    struct due *heap; /* owned */
    size_t due_count, due_capacity;
};

static struct bpe_pair *probe(const struct bpe *bpe, uint32_t left, uint32_t right)
{
    uint64_t hash = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & (bpe->capacity - 1);
    while (bpe->pair[at].left != NONE && (bpe->pair[at].left != left || bpe->pair[at].right != right))
        at = (at + 1) & (bpe->capacity - 1);
    return &bpe->pair[at];
}

static enum status add_merges(struct bpe *bpe, struct text *joined, struct err *err)
{
    const struct bpe_source *const source = &bpe->source;
    bpe->capacity = 64;
    while (bpe->capacity < (size_t)source->merge_count * 2)
        bpe->capacity *= 2;
    bpe->pair = mem_alloc(bpe->capacity, sizeof *bpe->pair, err);
    if (bpe->pair == NULL)
        return STATUS_LIMIT;
    for (size_t i = 0; i < bpe->capacity; i++)
        bpe->pair[i].left = NONE;
    for (uint32_t i = 0; i < source->merge_count; i++) {
        const struct bpe_merge *const merge = &source->merge[i];
        joined->size = 0;
        text_add(joined, merge->left.data, merge->left.size);
        text_add(joined, merge->right.data, merge->right.size);
        TRY(text_check(joined, err));
        const uint32_t left = map_find(&bpe->token, merge->left), right = map_find(&bpe->token, merge->right);
        const uint32_t made = map_find(&bpe->token, (struct slice){joined->data, joined->size});
        if (left == MAP_NONE || right == MAP_NONE || made == MAP_NONE)
            return err_set(err, STATUS_CORRUPT, source->where, "found merge %u, \"%.*s\" and \"%.*s\", expected two tokens that are a third together", i,
                           (int)(merge->left.size < 100 ? merge->left.size : 100), merge->left.data,
                           (int)(merge->right.size < 100 ? merge->right.size : 100), merge->right.data);
        *probe(bpe, left, right) = (struct bpe_pair){left, right, i, made}; /* of a merge that is there twice, the later rank counts */
    }
    return STATUS_OK;
}

static enum status fill(struct bpe *bpe, struct err *err)
{
    const struct bpe_source *const source = &bpe->source;
    for (uint32_t i = 0; i < source->token_count; i++) {
        uint32_t existing;
        TRY(map_add(&bpe->token, source->token[i].text, source->token[i].id, &existing, err));
        if (existing != MAP_NONE)
            return err_set(err, STATUS_CORRUPT, source->where, "found the token \"%.*s\" twice (%u and %u), expected each once",
                           (int)(source->token[i].text.size < 200 ? source->token[i].text.size : 200), source->token[i].text.data, existing,
                           source->token[i].id);
    }
    bpe->unknown = source->unknown.size > 0 ? map_find(&bpe->token, source->unknown) : MAP_NONE;
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        (void)snprintf(name, sizeof name, "<0x%02X>", byte);
        bpe->byte[byte] = source->byte_fallback ? map_find(&bpe->token, slice_of(name)) : MAP_NONE;
    }
    struct text joined = {0};
    const enum status status = add_merges(bpe, &joined, err);
    text_free(&joined);
    return status;
}

enum status bpe_open(const struct bpe_source *source, struct bpe *bpe, struct err *err)
{
    *bpe = (struct bpe){.source = *source};
    const enum status status = fill(bpe, err);
    if (status != STATUS_OK)
        bpe_close(bpe);
    return status;
}

void bpe_close(struct bpe *bpe)
{
    map_free(&bpe->token);
    free(bpe->pair);
    *bpe = (struct bpe){0};
}

static bool comes_first(const struct due *a, const struct due *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static enum status push(struct word *word, struct due due, struct err *err)
{
    TRY(mem_grow((void **)&word->heap, &word->due_capacity, word->due_count + 1, sizeof *word->heap, err));
    size_t at = word->due_count++;
    for (; at > 0 && comes_first(&due, &word->heap[(at - 1) / 2]); at = (at - 1) / 2)
        word->heap[at] = word->heap[(at - 1) / 2];
    word->heap[at] = due;
    return STATUS_OK;
}

static struct due pop(struct word *word)
{
    const struct due first = word->heap[0], last = word->heap[--word->due_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < word->due_count; at = child) {
        if (child + 1 < word->due_count && comes_first(&word->heap[child + 1], &word->heap[child]))
            child++;
        if (!comes_first(&word->heap[child], &last))
            break;
        word->heap[at] = word->heap[child];
    }
    word->heap[at] = last;
    return first;
}

static enum status consider(const struct bpe *bpe, struct word *word, uint32_t at, struct err *err)
{
    if (at == NONE || word->symbol[at].next == NONE)
        return STATUS_OK;
    const struct bpe_pair *const pair = probe(bpe, word->symbol[at].id, word->symbol[word->symbol[at].next].id);
    return pair->left == NONE ? STATUS_OK : push(word, (struct due){pair->rank, at, pair->made}, err);
}

static enum status merge_all(const struct bpe *bpe, struct word *word, struct err *err)
{
    for (uint32_t i = 0; i < word->count; i++)
        TRY(consider(bpe, word, i, err));
    while (word->due_count > 0) {
        const struct due due = pop(word);
        struct symbol *const left = &word->symbol[due.at];
        if (left->gone || left->next == NONE)
            continue;
        struct symbol *const right = &word->symbol[left->next];
        const struct bpe_pair *const pair = probe(bpe, left->id, right->id);
        if (pair->left == NONE || pair->made != due.made)
            continue; /* one of the two has been merged since */
        left->id = due.made;
        right->gone = true;
        left->next = right->next;
        if (left->next != NONE)
            word->symbol[left->next].previous = due.at;
        TRY(consider(bpe, word, left->previous, err));
        TRY(consider(bpe, word, due.at, err));
    }
    return STATUS_OK;
}

static enum status add_symbol(struct word *word, uint32_t id, struct err *err)
{
    TRY(mem_grow((void **)&word->symbol, &word->capacity, word->count + 1, sizeof *word->symbol, err));
    const uint32_t at = (uint32_t)word->count;
    if (at > 0)
        word->symbol[at - 1].next = at;
    word->symbol[at] = (struct symbol){id, at > 0 ? at - 1 : NONE, NONE, false};
    word->count++;
    return STATUS_OK;
}

/* Characters as tokens, or as what stands for one that is none. */
static enum status begin(const struct bpe *bpe, struct slice text, struct word *word, struct err *err)
{
    bool after_unknown = false;
    for (size_t at = 0; at < text.size;) {
        size_t size = 1;
        while (at + size < text.size && ((unsigned char)text.data[at + size] & 0xc0) == 0x80)
            size++;
        const uint32_t id = map_find(&bpe->token, (struct slice){text.data + at, size});
        bool in_bytes = id == MAP_NONE && bpe->source.byte_fallback;
        for (size_t i = 0; i < size && in_bytes; i++)
            in_bytes = bpe->byte[(uint8_t)text.data[at + i]] != MAP_NONE;
        if (id != MAP_NONE)
            TRY(add_symbol(word, id, err));
        for (size_t i = 0; i < size && in_bytes; i++)
            TRY(add_symbol(word, bpe->byte[(uint8_t)text.data[at + i]], err));
        const bool unknown = id == MAP_NONE && !in_bytes;
        if (unknown && bpe->unknown != MAP_NONE && !(after_unknown && bpe->source.fuse_unknown))
            TRY(add_symbol(word, bpe->unknown, err));
        after_unknown = unknown;
        at += size;
    }
    return STATUS_OK;
}

static enum status add_id(struct bpe_ids *ids, uint32_t id, struct err *err)
{
    TRY(mem_grow((void **)&ids->id, &ids->capacity, ids->count + 1, sizeof *ids->id, err));
    ids->id[ids->count++] = id;
    return STATUS_OK;
}

enum status bpe_encode(const struct bpe *bpe, struct slice text, struct bpe_ids *ids, struct err *err)
{
    if (text.size > LIMIT_TOKENIZED_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, bpe->source.where, "found a word of %zu bytes, expected at most %llu", text.size,
                       (unsigned long long)LIMIT_TOKENIZED_BYTES_MAX);
    const uint32_t whole = bpe->source.ignore_merges ? map_find(&bpe->token, text) : MAP_NONE;
    if (whole != MAP_NONE)
        return add_id(ids, whole, err);
    struct word word = {0};
    enum status status = begin(bpe, text, &word, err);
    if (status == STATUS_OK)
        status = merge_all(bpe, &word, err);
    for (size_t i = 0; i < word.count && status == STATUS_OK; i++)
        if (!word.symbol[i].gone)
            status = add_id(ids, word.symbol[i].id, err);
    free(word.symbol);
    free(word.heap);
    return status;
}
