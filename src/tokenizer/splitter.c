#include "tokenizer/splitter.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tokenizer/bytelevel.h"

#include <stdlib.h>
#include <string.h>

/* A stretch of a word, and whether the pattern matched it (after `invert`). */
struct piece {
    size_t start, end;
    bool match;
};
/* Freed by splitter_cut. */
struct pieces {
    struct piece *piece;
    size_t count, capacity;
};
struct list {
    struct slice *word;
    size_t count, capacity;
};

static enum status add_piece(struct pieces *pieces, size_t start, size_t end, bool match, struct err *err)
{
    TRY(mem_grow((void **)&pieces->piece, &pieces->capacity, pieces->count + 1, sizeof *pieces->piece, err));
    pieces->piece[pieces->count++] = (struct piece){start, end, match};
    return STATUS_OK;
}

static enum status add_word(struct list *list, struct slice word, struct err *err)
{
    if (word.size == 0)
        return STATUS_OK;
    TRY(mem_grow((void **)&list->word, &list->capacity, list->count + 1, sizeof *list->word, err));
    list->word[list->count++] = word;
    return STATUS_OK;
}

static size_t character_bytes(struct slice text, size_t at)
{
    size_t size = 1;
    while (at + size < text.size && ((unsigned char)text.data[at + size] & 0xc0) == 0x80)
        size++;
    return size;
}

/* The whole word as matches and what is between them. A match of nothing is a cut. */
static enum status find_pieces(const struct splitter_step *step, struct slice word, struct pieces *pieces, struct err *err)
{
    size_t from = 0, last = 0;
    pieces->count = 0;
    while (from <= word.size) {
        struct regex_span span;
        bool found;
        TRY(regex_find(step->regex, word, from, &span, &found, err));
        if (!found)
            break;
        if (span.start > last)
            TRY(add_piece(pieces, last, span.start, step->invert, err));
        if (span.end > span.start)
            TRY(add_piece(pieces, span.start, span.end, !step->invert, err));
        last = span.end;
        from = span.end > span.start ? span.end : span.end + character_bytes(word, span.end);
    }
    return last < word.size ? add_piece(pieces, last, word.size, step->invert, err) : STATUS_OK;
}

/* True if this piece and the one before it are one word. */
static bool joins(enum splitter_behavior behavior, const struct pieces *pieces, size_t i)
{
    const struct piece *const piece = &pieces->piece[i];
    if (i == 0)
        return false;
    switch (behavior) {
    case SPLITTER_CONTIGUOUS:
        return piece->match == piece[-1].match;
    case SPLITTER_MERGED_WITH_PREVIOUS:
        return piece->match && !piece[-1].match;
    case SPLITTER_MERGED_WITH_NEXT:
        return piece[-1].match && !piece->match;
    default:
        return false;
    }
}

static enum status split(const struct splitter_step *step, struct slice word, struct pieces *pieces, struct list *list, struct err *err)
{
    TRY(find_pieces(step, word, pieces, err));
    for (size_t i = 0; i < pieces->count;) {
        size_t end = i + 1;
        while (end < pieces->count && joins(step->behavior, pieces, end))
            end++;
        const size_t start = pieces->piece[i].start;
        if (step->behavior != SPLITTER_REMOVED || !pieces->piece[i].match)
            TRY(add_word(list, (struct slice){word.data + start, pieces->piece[end - 1].end - start}, err));
        i = end;
    }
    return STATUS_OK;
}

/* Appends the word that a step makes of one, other than by splitting. */
static enum status change(const struct splitter_step *step, struct slice word, struct pieces *pieces, struct text *to, struct err *err)
{
    if (step->kind == SPLITTER_BYTES) {
        bytelevel_encode(word, to);
    } else if (step->kind == SPLITTER_REPLACE) {
        TRY(find_pieces(step, word, pieces, err));
        for (size_t i = 0; i < pieces->count; i++) {
            const struct piece *const piece = &pieces->piece[i];
            const struct slice same = {word.data + piece->start, piece->end - piece->start};
            text_add(to, piece->match ? step->content.data : same.data, piece->match ? step->content.size : same.size);
        }
    } else {
        if (word.size < step->content.size || memcmp(word.data, step->content.data, step->content.size) != 0)
            text_add(to, step->content.data, step->content.size);
        text_add(to, word.data, word.size);
    }
    return text_check(to, err);
}

static enum status run(const struct splitter_step *step, const struct list *from, bool first, struct arena *arena, struct list *to, struct err *err)
{
    struct pieces pieces = {0};
    struct text text = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < from->count && status == STATUS_OK; i++) {
        const bool skipped = step->kind == SPLITTER_PREFIX_FIRST && !(first && i == 0);
        if (step->kind == SPLITTER_SPLIT) {
            status = split(step, from->word[i], &pieces, to, err);
        } else if (skipped) {
            status = add_word(to, from->word[i], err);
        } else {
            text.size = 0;
            status = change(step, from->word[i], &pieces, &text, err);
            const char *const copy = status == STATUS_OK ? arena_copy(arena, text.data == NULL ? "" : text.data, text.size, err) : NULL;
            if (status == STATUS_OK)
                status = copy == NULL ? STATUS_LIMIT : add_word(to, (struct slice){copy, text.size}, err);
        }
    }
    free(pieces.piece);
    text_free(&text);
    return status;
}

enum status splitter_cut(const struct splitter *splitter, struct slice text, bool first, struct arena *arena, struct splitter_words *words, struct err *err)
{
    struct list turn[2] = {{0}, {0}};
    *words = (struct splitter_words){0};
    if (text.size > LIMIT_TOKENIZED_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, "text", "found %zu bytes, expected at most %llu", text.size, (unsigned long long)LIMIT_TOKENIZED_BYTES_MAX);
    enum status status = add_word(&turn[0], text, err);
    for (size_t i = 0; i < splitter->count && status == STATUS_OK; i++) {
        turn[(i + 1) % 2].count = 0;
        status = run(&splitter->step[i], &turn[i % 2], first, arena, &turn[(i + 1) % 2], err);
    }
    const struct list *const last = &turn[splitter->count % 2];
    if (status == STATUS_OK) {
        words->word = arena_alloc(arena, last->count, sizeof *words->word, err);
        status = words->word == NULL ? STATUS_LIMIT : STATUS_OK;
    }
    if (status == STATUS_OK && last->count > 0)
        memcpy(words->word, last->word, last->count * sizeof *words->word);
    words->count = status == STATUS_OK ? last->count : 0;
    free(turn[0].word);
    free(turn[1].word);
    return status;
}
