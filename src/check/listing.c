#include "check/listing.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

static enum status add_word(struct listing *listing, const char *word, size_t size, struct err *err)
{
    uint32_t before;
    if (size == 0)
        return STATUS_OK;
    char *copy = arena_copy(&listing->arena, word, size, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    TRY(map_add(&listing->whole, slice_of(copy), 0, &before, err));
    if (before != MAP_NONE || listing->count >= LISTING_PARTS_MAX)
        return STATUS_OK;
    TRY(mem_grow((void **)&listing->word, &listing->capacity, listing->count + 1, sizeof *listing->word, err));
    listing->word[listing->count++] = copy;
    return STATUS_OK;
}

enum status listing_add_words(struct listing *listing, const struct jsondoc *list, struct err *err)
{
    for (const struct jsondoc *item = jsondoc_first(list); item != NULL; item = jsondoc_next(item)) {
        const char *word = jsondoc_string(item);
        if (word != NULL)
            TRY(add_word(listing, word, strlen(word), err));
        for (const struct jsondoc *inner = jsondoc_first(item); inner != NULL; inner = jsondoc_next(inner))
            if (jsondoc_string(inner) != NULL)
                TRY(add_word(listing, jsondoc_string(inner), strlen(jsondoc_string(inner)), err));
    }
    return STATUS_OK;
}

/* The longest run of plain characters of a pattern, "\." for a dot; its length. */
static size_t longest_run(const char *pattern, char best[LIMIT_NAME_BYTES_MAX])
{
    char run[LIMIT_NAME_BYTES_MAX];
    size_t used = 0, longest = 0;
    for (const char *at = pattern;; at++) {
        const bool escaped = *at == '\\' && at[1] == '.';
        const bool wild = *at == '.' && at[1] != '\0' && strchr("*+?", at[1]) != NULL;
        const bool special = *at != '\0' && strchr("^$*+?()[]{}|\\", *at) != NULL;
        if (!escaped && (*at == '\0' || special || wild)) {
            if (used > longest)
                memcpy(best, run, used);
            longest = used > longest ? used : longest;
            used = 0;
            if (*at == '\0')
                return longest;
            continue;
        }
        at += escaped;
        if (used < LIMIT_NAME_BYTES_MAX)
            run[used++] = *at;
    }
}

enum status listing_add_rules(struct listing *listing, const struct jsondoc *dynamic, struct err *err)
{
    char run[LIMIT_NAME_BYTES_MAX];
    for (const struct jsondoc *rule = jsondoc_first(dynamic); rule != NULL; rule = jsondoc_next(rule)) {
        const char *pattern = jsondoc_name(rule);
        if (pattern != NULL && strncmp(pattern, "-:", 2) == 0)
            TRY(add_word(listing, run, longest_run(pattern + 2, run), err));
    }
    return STATUS_OK;
}

enum status listing_add_ignore(struct listing *listing, const struct jsondoc *ignore, struct err *err)
{
    char run[LIMIT_NAME_BYTES_MAX];
    for (const struct jsondoc *item = jsondoc_first(ignore); item != NULL; item = jsondoc_next(item)) {
        const char *word = jsondoc_string(item);
        if (word != NULL && strncmp(word, "re:", 3) == 0)
            TRY(add_word(listing, run, longest_run(word + 3, run), err));
        else if (word != NULL)
            TRY(add_word(listing, word, strlen(word), err));
    }
    return STATUS_OK;
}

bool listing_covers(const struct listing *listing, const char *name)
{
    if (map_find(&listing->whole, slice_of(name)) != MAP_NONE)
        return true;
    for (size_t w = 0; w < listing->count; w++)
        if (strstr(name, listing->word[w]) != NULL)
            return true;
    return false;
}

void listing_free(struct listing *listing)
{
    free(listing->word);
    map_free(&listing->whole);
    arena_free(&listing->arena);
    *listing = (struct listing){0};
}
