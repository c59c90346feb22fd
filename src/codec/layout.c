#include "codec/layout.h"

#include "base/checked.h"

#define SLOTS_NATURAL {0, 1, 2, 3, 4, 5, 6, 7}
#define SLOTS_AWQ {0, 2, 4, 6, 1, 3, 5, 7}

enum sign { UNSIGNED, SIGNED };

/* A code fits its field, a field its word; the packers hold a word and a field in 64 bits. */
#define X(name, text, code, field, word, pack, slow, sign, slots)                                                                          \
    _Static_assert(code >= 1 && code <= field && field <= 8 && field <= word, #name ": code, field and word bits");                        \
    _Static_assert(word == 8 || word == 16 || word == 32, #name ": word bits");
#include "codec/layout.def"
#undef X

static const struct layout rows_of_the_table[] = {
#define X(name, text, code, field, word, pack, slow, sign, slots)                                                                          \
    [LAYOUT_##name] = {LAYOUT_##name, text, code, field, word, AXIS_##pack, AXIS_##slow, sign == SIGNED, SLOTS_##slots},
#include "codec/layout.def"
#undef X
};
_Static_assert(sizeof rows_of_the_table / sizeof *rows_of_the_table == LAYOUT_COUNT, "one row for each layout_id");

const struct layout *layout_row(enum layout_id id)
{
    return &rows_of_the_table[id];
}

/* The least number of fields that fills whole words: lcm(field, word) / field. */
uint64_t layout_run(const struct layout *layout)
{
    unsigned a = layout->word_bits, b = layout->field_bits;
    while (b != 0) {
        const unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return layout->word_bits / a;
}

/* Words that `codes` codes along the pack axis fill; whole runs. No overflow: a run has at least as many codes as words. */
static uint64_t words_of(const struct layout *layout, uint64_t codes)
{
    const uint64_t run = layout_run(layout);
    return codes / run * (run * layout->field_bits / layout->word_bits);
}

bool layout_size(const struct layout *layout, uint64_t out, uint64_t in, uint64_t *rows, uint64_t *row_bytes)
{
    const bool along_in = layout->pack == AXIS_IN;
    const uint64_t packed = along_in ? in : out, other = along_in ? out : in;
    if (packed % layout_run(layout) != 0)
        return false;
    const uint64_t words = words_of(layout, packed);
    const bool words_in_rows = layout->pack == layout->slow;
    uint64_t total;
    *rows = words_in_rows ? words : other;
    return checked_mul(words_in_rows ? other : words, layout->word_bits / 8u, row_bytes) && checked_mul(*rows, *row_bytes, &total);
}

struct layout_rect layout_rect(const struct layout *layout, uint64_t out0, uint64_t out, uint64_t in0, uint64_t in)
{
    const bool along_in = layout->pack == AXIS_IN;
    const uint64_t word0 = words_of(layout, along_in ? in0 : out0), words = words_of(layout, along_in ? in : out);
    const uint64_t other0 = along_in ? out0 : in0, other = along_in ? out : in;
    const uint64_t bytes = layout->word_bits / 8u;
    if (layout->pack == layout->slow)
        return (struct layout_rect){word0, words, other0 * bytes, other * bytes};
    return (struct layout_rect){other0, other, word0 * bytes, words * bytes};
}
