/* What IQ2 and IQ3 share: a super-block of 256 as numbers of points of a grid, signs, and a scale of 4 bits for each sub-block. */
#ifndef REPAQ_GGML_IQ_SEARCH_H
#define REPAQ_GGML_IQ_SEARCH_H

#include "codec/ggml_kernels.h"

/* Which points are looked for again when the scale is known. */
enum ggml_iq_again {
    GGML_IQ_AGAIN_ALL,
    GGML_IQ_AGAIN_OFF,        /* those whose digits were not on the grid */
    GGML_IQ_AGAIN_ALL_IF_OFF, /* all, if any was not, or if no candidate had a scale */
};

/* How values weigh without importance. */
enum ggml_iq_plain {
    GGML_IQ_PLAIN_NONE,   /* there must be weights */
    GGML_IQ_PLAIN_SQUARE, /* x * x */
    GGML_IQ_PLAIN_MIXED,  /* mean square / 4 + x * x */
};

struct ggml_iq_rule {
    enum ggml_grid_id grid;
    uint8_t size;    /* elements of a sub-block: 16 or 32 */
    uint8_t digits;  /* of a point: 8 or 4 */
    uint8_t levels;  /* digits are below: 3 or 8 */
    uint8_t tries;   /* scales tried on either side of the first one */
    float step;      /* between them */
    float tiny;      /* sub-blocks whose largest value is below are zeros */
    float squares;   /* the mean square counts so often */
    bool even_signs; /* the number of minuses of 8 elements must be even, and 7 signs are stored */
    bool from_codes; /* the first scale is that of codes 0..4, not the largest value's */
    enum ggml_iq_again again;
    enum ggml_iq_plain plain;
};

struct ggml_iq_block {
    float d;
    bool zero;           /* all scales are 0 */
    uint16_t points[64]; /* [256 / digits] */
    uint8_t signs[32];   /* of 8 elements each */
    uint8_t scales[16];  /* [256 / size]: 0..15 */
    bool tiny[16];       /* [256 / size]: no point was looked for */
};

/* One sub-block at work. */
struct ggml_iq_sub {
    const struct ggml_iq_rule *rule;
    const struct ggml_grid *grid;
    float x[32]; /* sizes; one of eight may be negative, so that signs come out even */
    float weights[32], roots[32];
    uint8_t signs[4];
};

struct ggml_iq_choice {
    uint16_t points[8];
    bool on_grid[8];
};

/* What takes the time, of which there are faster ones. */
struct ggml_iq_tools {
    /* Tries scales around that of `largest`; *scale stays what it is if none of them is one. False where ggml aborts. */
    bool (*try_scales)(const struct ggml_iq_sub *sub, float largest, float *scale, struct ggml_iq_choice *chosen);
    /* Of the points in `list` (ggml_grid.neighbours) the one that errs least, of elements from `first` on at this scale: its packed digits; -1 if none does. */
    int (*nearest)(const struct ggml_iq_sub *sub, int first, const uint16_t *list, float scale);
};
extern const struct ggml_iq_tools ggml_iq_search_plain;

/* Makes a super-block. False where ggml aborts. quantize_row_iq2_xxs_impl and its sisters. */
bool ggml_iq_search_block(const struct ggml_iq_rule *rule, const struct ggml_part *part, const struct ggml_iq_tools *tools, struct ggml_iq_block *made);

/* Blocks of these types; see ggml_kernel.encode. */
typedef bool ggml_iq_encode(const struct ggml_part *part, const struct ggml_iq_tools *tools, uint8_t *block);
ggml_iq_encode ggml_iq2_make_xxs, ggml_iq2_make_xs, ggml_iq2_make_s, ggml_iq3_make_xxs, ggml_iq3_make_s;

/* Seven signs and the eighth that makes their number even. */
static inline unsigned ggml_iq_even(unsigned seven)
{
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

#endif
