#include "tokenizer/encoder.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The added tokens of one kind as they are looked for, by first byte, of equal ones the longest first. */
struct sought {
    struct slice text; /* what is looked for: the token's text, normalized where it is to be */
    const struct encoder_added *added;
};
struct finder {
    struct sought *sought; /* owned */
    size_t count;
    size_t begin[257]; /* begin[b]..begin[b + 1]-1: those whose first byte is b */
};
/* State of one call. */
struct run {
    const struct encoder *encoder;
    struct arena arena;
    struct finder raw, normalized;
    struct bpe_ids *ids;
    bool first; /* nothing was cut yet */
};

static int compare(const void *a, const void *b)
{
    const struct slice left = ((const struct sought *)a)->text, right = ((const struct sought *)b)->text;
    if (left.data[0] != right.data[0])
        return (unsigned char)left.data[0] < (unsigned char)right.data[0] ? -1 : 1;
    if (left.size != right.size)
        return left.size > right.size ? -1 : 1;
    return memcmp(left.data, right.data, left.size);
}

static enum status make_finder(struct run *run, bool normalized, struct finder *finder, struct err *err)
{
    const struct encoder *const encoder = run->encoder;
    finder->sought = arena_alloc(&run->arena, encoder->added_count, sizeof *finder->sought, err);
    if (finder->sought == NULL)
        return STATUS_LIMIT;
    for (uint32_t i = 0; i < encoder->added_count; i++) {
        const struct encoder_added *const added = &encoder->added[i];
        struct slice text = added->text;
        if (added->normalized != normalized)
            continue;
        if (added->single_word)
            return err_set(err, STATUS_UNSUPPORTED, "tokenizer.json", "found the added token \"%.*s\" with single_word, expected none",
                           (int)(text.size < 100 ? text.size : 100), text.data);
        if (normalized) {
            struct text made = {0};
            enum status status = normalizer_apply(encoder->normalizer, encoder->normalizer_count, text, &made, err);
            const char *const copy = status == STATUS_OK ? arena_copy(&run->arena, made.data == NULL ? "" : made.data, made.size, err) : NULL;
            text = (struct slice){copy, made.size};
            text_free(&made);
            if (copy == NULL)
                return status == STATUS_OK ? STATUS_LIMIT : status;
        }
        if (text.size > 0)
            finder->sought[finder->count++] = (struct sought){text, added};
    }
    if (finder->count > 0)
        qsort(finder->sought, finder->count, sizeof *finder->sought, compare);
    for (size_t i = finder->count; i-- > 0;)
        finder->begin[(unsigned char)finder->sought[i].text.data[0]] = i;
    size_t next = finder->count;
    finder->begin[256] = next;
    for (size_t b = 256; b-- > 0;) {
        const size_t at = finder->begin[b];
        const bool there = finder->count > 0 && at < finder->count && (unsigned char)finder->sought[at].text.data[0] == b;
        next = finder->begin[b] = there ? at : next;
    }
    return STATUS_OK;
}

/* The longest added token that begins at this byte; NULL if there is none. */
static const struct sought *find_at(const struct finder *finder, struct slice text, size_t at)
{
    const unsigned char first = (unsigned char)text.data[at];
    for (size_t i = finder->begin[first]; i < finder->begin[first + 1]; i++) {
        const struct slice sought = finder->sought[i].text;
        if (sought.size <= text.size - at && memcmp(sought.data, text.data + at, sought.size) == 0)
            return &finder->sought[i];
    }
    return NULL;
}

/* Bytes of the blank that begins at `at`, 0 if none does: Unicode's White_Space. */
static size_t blank_bytes(struct slice text, size_t at)
{
    static const char *const wide[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
                                       "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
    const struct slice rest = {text.data + at, text.size - at};
    if (rest.size > 0 && (rest.data[0] == ' ' || (rest.data[0] >= '\t' && rest.data[0] <= '\r')))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        if (slice_starts(rest, wide[i]))
            return strlen(wide[i]);
    return slice_starts(rest, "\xe2\x80") && rest.size > 2 && (unsigned char)rest.data[2] <= 0x8a ? 3 : 0;
}

static size_t strip_left(struct slice text, size_t from, size_t at)
{
    while (at > from) {
        size_t start = at - 1;
        while (start > from && ((unsigned char)text.data[start] & 0xc0) == 0x80)
            start--;
        if (blank_bytes(text, start) != at - start)
            break;
        at = start;
    }
    return at;
}

typedef enum status between_function(struct run *run, struct slice text, struct err *err);

/* Appends the ids of added tokens and gives what is between them to `between`. */
static enum status each_added(struct run *run, const struct finder *finder, struct slice text, between_function *between, struct err *err)
{
    size_t last = 0;
    for (size_t at = 0; at < text.size;) {
        const struct sought *const found = find_at(finder, text, at);
        if (found == NULL) {
            at++;
            continue;
        }
        const size_t start = found->added->strip_left ? strip_left(text, last, at) : at;
        size_t end = at + found->text.size;
        for (size_t blank; found->added->strip_right && end < text.size && (blank = blank_bytes(text, end)) > 0;)
            end += blank;
        if (start > last)
            TRY(between(run, (struct slice){text.data + last, start - last}, err));
        TRY(mem_grow((void **)&run->ids->id, &run->ids->capacity, run->ids->count + 1, sizeof *run->ids->id, err));
        run->ids->id[run->ids->count++] = found->added->id;
        run->first = false;
        at = last = end;
    }
    return last < text.size ? between(run, (struct slice){text.data + last, text.size - last}, err) : STATUS_OK;
}

static enum status take_words(struct run *run, struct slice text, struct err *err)
{
    struct splitter_words words;
    TRY(splitter_cut(&run->encoder->splitter, text, run->first, &run->arena, &words, err));
    run->first = false;
    for (size_t i = 0; i < words.count; i++)
        TRY(bpe_encode(run->encoder->bpe, words.word[i], run->ids, err));
    return STATUS_OK;
}

static enum status take_raw(struct run *run, struct slice text, struct err *err)
{
    struct text normalized = {0};
    enum status status = normalizer_apply(run->encoder->normalizer, run->encoder->normalizer_count, text, &normalized, err);
    if (status == STATUS_OK)
        status = text_check(&normalized, err);
    if (status == STATUS_OK && normalized.size > 0)
        status = each_added(run, &run->normalized, (struct slice){normalized.data, normalized.size}, take_words, err);
    text_free(&normalized);
    return status;
}

static enum status add_ids(struct bpe_ids *ids, const uint32_t *id, uint32_t count, struct err *err)
{
    if (count == 0)
        return STATUS_OK;
    TRY(mem_grow((void **)&ids->id, &ids->capacity, ids->count + count, sizeof *ids->id, err));
    memcpy(ids->id + ids->count, id, count * sizeof *id);
    ids->count += count;
    return STATUS_OK;
}

static enum status encode(struct run *run, struct slice text, struct err *err)
{
    const struct encoder *const encoder = run->encoder;
    TRY(make_finder(run, false, &run->raw, err));
    TRY(make_finder(run, true, &run->normalized, err));
    TRY(add_ids(run->ids, encoder->before, encoder->before_count, err));
    TRY(each_added(run, &run->raw, text, take_raw, err));
    return add_ids(run->ids, encoder->after, encoder->after_count, err);
}

enum status encoder_encode(const struct encoder *encoder, struct slice text, struct bpe_ids *ids, struct err *err)
{
    struct run run = {.encoder = encoder, .ids = ids, .first = true};
    const enum status status = encode(&run, text, err);
    arena_free(&run.arena);
    return status;
}
