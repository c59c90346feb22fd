/* The layout table: packings as data, and the geometry that follows from a row. */
#ifndef REPAQ_LAYOUT_H
#define REPAQ_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum axis { AXIS_IN, AXIS_OUT };

enum layout_id {
#define X(name, text, code, field, word, pack, slow, sign, slots, tail, bands) LAYOUT_##name,
#include "codec/layout.def"
#undef X
    LAYOUT_COUNT,
};

/* What happens where codes along the pack axis do not fill words (layout.def). */
enum tail { TAIL_WHOLE, TAIL_PADDED, TAIL_SPARE };

/* Lines on the other axis than the pack axis that share a stored row: `rows` of them take turns of `turn` codes each. */
struct band {
    uint8_t rows, turn; /* 1, 0: a stored row is one line's */
};

struct layout {
    enum layout_id id;
    const char *text;
    uint8_t code_bits, field_bits, word_bits;
    enum axis pack, slow;
    bool is_signed;
    enum tail tail;
    uint8_t slot_step; /* field i of a run of slot_ways * slot_step codes holds code i % slot_ways * slot_step + i / slot_ways of it; 1: natural order */
    uint8_t slot_ways;
    struct band band;
};

const struct layout *layout_row(enum layout_id id);

/* Codes along the pack axis that end on a word boundary: 8 for 4-bit in 32, 32 for 3-bit in 32 (10 where fields are SPARE), 1 for a byte each; a turn
 * where lines take turns. */
uint64_t layout_run(const struct layout *layout);
/* The least count of codes along `axis` that ends on a word boundary of the layout: its run on the pack axis, else the lines of a band. */
uint64_t layout_align(const struct layout *layout, enum axis axis);
/* The same for two layouts at once. */
uint64_t layout_common_align(const struct layout *a, const struct layout *b, enum axis axis);
/* Words that `codes` codes along the pack axis fill, the last one perhaps not wholly. */
uint64_t layout_words(const struct layout *layout, uint64_t codes);
/* Stored matrix of out x in codes: *rows rows of *row_bytes bytes. False if codes do not fill whole words of a WHOLE layout, or lines whole bands, or
 * on overflow. */
bool layout_size(const struct layout *layout, uint64_t out, uint64_t in, uint64_t *rows, uint64_t *row_bytes);
/* The stored rectangle that holds the codes [out0, out0+out) x [in0, in0+in): rows row0..row0+rows, bytes byte0..byte0+bytes of each
 * row. Origins on the pack axis must be whole runs, and sizes too unless the rectangle ends at the edge of a layout with a tail; on the other axis
 * both must be whole bands. */
struct layout_rect {
    uint64_t row0, rows;
    uint64_t byte0, bytes;
};
struct layout_rect layout_rect(const struct layout *layout, uint64_t out0, uint64_t out, uint64_t in0, uint64_t in);
/* The codes along the slow axis that stored rows [row0, row0 + rows) hold, of `total` there: whole runs, but at the end. */
struct layout_span {
    uint64_t first, count;
};
struct layout_span layout_span(const struct layout *layout, uint64_t row0, uint64_t rows, uint64_t total);

#endif
