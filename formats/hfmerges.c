#include "formats/hfmerges.h"

#include "base/mem.h"

#include <stdlib.h>

/* One split of one token. */
struct cut {
    float score;
    uint32_t whole, left, right;          /* ids */
    uint32_t left_letters, right_letters; /* characters */
};
struct cuts {
    struct cut *cut; /* owned */
    size_t count, capacity;
};

static uint32_t letters(struct slice text)
{
    uint32_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

static int order(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

static int compare(const void *a, const void *b)
{
    const struct cut *const x = a, *const y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->left_letters != y->left_letters)
        return order(y->left_letters, x->left_letters);
    if (x->right_letters != y->right_letters)
        return order(y->right_letters, x->right_letters);
    if (x->whole != y->whole)
        return order(x->whole, y->whole);
    return x->left != y->left ? order(x->left, y->left) : order(x->right, y->right);
}

static enum status cut_token(const struct vocabulary *vocabulary, const struct map *ids, uint32_t whole, struct cuts *cuts, struct err *err)
{
    const struct slice text = vocabulary->token[whole].text;
    for (size_t at = 1; at < text.size; at++) {
        const struct slice part[2] = {{text.data, at}, {text.data + at, text.size - at}};
        if (((unsigned char)text.data[at] & 0xc0) == 0x80)
            continue;
        const uint32_t left = map_find(ids, part[0]), right = left == MAP_NONE ? MAP_NONE : map_find(ids, part[1]);
        if (right == MAP_NONE)
            continue;
        if (cuts->count == LIMIT_VOCABULARY_MERGES_MAX)
            return err_set(err, STATUS_LIMIT, "vocabulary", "found more than %u merges", LIMIT_VOCABULARY_MERGES_MAX);
        TRY(mem_grow((void **)&cuts->cut, &cuts->capacity, cuts->count + 1, sizeof *cuts->cut, err));
        cuts->cut[cuts->count++] = (struct cut){vocabulary->token[whole].score, whole, left, right, letters(part[0]), letters(part[1])};
    }
    return STATUS_OK;
}

static enum status derive(const struct vocabulary *vocabulary, struct arena *arena, struct map *ids, struct cuts *cuts, struct hfmerges *merges,
                          struct err *err)
{
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        uint32_t existing;
        if (vocabulary->token[i].type == VOCABULARY_NORMAL && vocabulary->token[i].text.size > 0)
            TRY(map_add(ids, vocabulary->token[i].text, i, &existing, err));
    }
    for (uint32_t i = 0; i < vocabulary->count; i++)
        if (vocabulary->token[i].type == VOCABULARY_NORMAL)
            TRY(cut_token(vocabulary, ids, i, cuts, err));
    if (cuts->count > 0)
        qsort(cuts->cut, cuts->count, sizeof *cuts->cut, compare);
    merges->merge = arena_alloc(arena, cuts->count, sizeof *merges->merge, err);
    if (merges->merge == NULL)
        return STATUS_LIMIT;
    merges->count = (uint32_t)cuts->count;
    for (uint32_t i = 0; i < merges->count; i++)
        merges->merge[i] = (struct bpe_merge){vocabulary->token[cuts->cut[i].left].text, vocabulary->token[cuts->cut[i].right].text};
    return STATUS_OK;
}

enum status hfmerges_derive(const struct vocabulary *vocabulary, struct arena *arena, struct hfmerges *merges, struct err *err)
{
    struct map ids = {0};
    struct cuts cuts = {0};
    *merges = (struct hfmerges){0};
    const enum status status = derive(vocabulary, arena, &ids, &cuts, merges, err);
    map_free(&ids);
    free(cuts.cut);
    return status;
}
