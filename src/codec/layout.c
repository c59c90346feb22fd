#include "codec/layout.h"

#include "base/checked.h"

#define SLOTS_NATURAL 1
#define SLOTS_AWQ 2
#define SLOTS_FAST 8
#define SLOTS_BLOCK 16
#define WAYS_NATURAL 4
#define WAYS_AWQ 4
#define WAYS_FAST 4
#define WAYS_BLOCK 2
#define BANDS_NONE {1, 0}
#define BANDS_4X64 {4, 64}

enum sign { UNSIGNED, SIGNED };

/* A code fits its field, a field its word; the packers hold a word and a field in 64 bits. A run of slots is whole words. */
#define X(name, text, code, field, word, pack, slow, sign, slots, tail, bands)                                                             \
    _Static_assert(code >= 1 && code <= field && field <= 8 && field <= word, #name ": code, field and word bits");                        \
    _Static_assert(SLOTS_##slots == 1 || WAYS_##slots * SLOTS_##slots * field % word == 0, #name ": slots");                                          \
    _Static_assert(word == 8 || word == 16 || word == 32, #name ": word bits");
#include "codec/layout.def"
#undef X

static const struct layout rows_of_the_table[] = {
#define X(name, text, code, field, word, pack, slow, sign, slots, tail, bands)                                                             \
    [LAYOUT_##name] = {LAYOUT_##name, text,          code,         field,        word,         AXIS_##pack, AXIS_##slow, sign == SIGNED,   \
                       TAIL_##tail,   SLOTS_##slots, WAYS_##slots, BANDS_##bands},
#include "codec/layout.def"
#undef X
};
_Static_assert(sizeof rows_of_the_table / sizeof *rows_of_the_table == LAYOUT_COUNT, "one row for each layout_id");

const struct layout *layout_row(enum layout_id id)
{
    return &rows_of_the_table[id];
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The least number of fields that fills whole words: lcm(field, word) / field; where fields never cross a word, those of one word; a whole
 * turn; a whole run of slots. */
uint64_t layout_run(const struct layout *layout)
{
    if (layout->band.rows > 1)
        return layout->band.turn;
    if (layout->tail == TAIL_SPARE)
        return layout->word_bits / layout->field_bits;
    if (layout->slot_step > 1)
        return (uint64_t)layout->slot_step * layout->slot_ways;
    return layout->word_bits / gcd(layout->word_bits, layout->field_bits);
}

uint64_t layout_align(const struct layout *layout, enum axis axis)
{
    return layout->pack == axis ? layout_run(layout) : layout->band.rows;
}

uint64_t layout_common_align(const struct layout *a, const struct layout *b, enum axis axis)
{
    const uint64_t first = layout_align(a, axis), second = layout_align(b, axis);
    return first / gcd(first, second) * second;
}

/* No overflow: a run has at least as many codes as words, and at most 64 of them. */
uint64_t layout_words(const struct layout *layout, uint64_t codes)
{
    const uint64_t run = layout_run(layout), rest = codes % run;
    const uint64_t words_a_run = layout->tail == TAIL_SPARE ? 1 : run * layout->field_bits / layout->word_bits;
    const uint64_t last = layout->tail == TAIL_SPARE ? rest != 0 : checked_div_up(rest * layout->field_bits, layout->word_bits);
    return codes / run * words_a_run + last;
}

bool layout_size(const struct layout *layout, uint64_t out, uint64_t in, uint64_t *rows, uint64_t *row_bytes)
{
    const bool along_in = layout->pack == AXIS_IN;
    const uint64_t packed = along_in ? in : out, other = along_in ? out : in;
    if ((layout->tail == TAIL_WHOLE && packed % layout_run(layout) != 0) || other % layout->band.rows != 0)
        return false;
    const uint64_t words = layout_words(layout, packed);
    const bool words_in_rows = layout->pack == layout->slow;
    uint64_t total;
    *rows = words_in_rows ? words : other / layout->band.rows;
    return checked_mul(words_in_rows ? other : words, layout->word_bits / 8u * layout->band.rows, row_bytes) && checked_mul(*rows, *row_bytes, &total);
}

struct layout_rect layout_rect(const struct layout *layout, uint64_t out0, uint64_t out, uint64_t in0, uint64_t in)
{
    const bool along_in = layout->pack == AXIS_IN;
    const uint64_t word0 = layout_words(layout, along_in ? in0 : out0), words = layout_words(layout, along_in ? in : out);
    const uint64_t other0 = along_in ? out0 : in0, other = along_in ? out : in;
    const uint64_t bytes = layout->word_bits / 8u, band = layout->band.rows;
    if (layout->pack == layout->slow)
        return (struct layout_rect){word0, words, other0 * bytes, other * bytes};
    return (struct layout_rect){other0 / band, other / band, word0 * bytes * band, words * bytes * band};
}

struct layout_span layout_span(const struct layout *layout, uint64_t row0, uint64_t rows, uint64_t total)
{
    if (layout->pack != layout->slow)
        return (struct layout_span){row0 * layout->band.rows, rows * layout->band.rows};
    const uint64_t run = layout_run(layout), words = layout_words(layout, run); /* a run is whole words */
    const uint64_t first = row0 / words * run, last = (row0 + rows) * run / words;
    return (struct layout_span){first, (last < total ? last : total) - first};
}
