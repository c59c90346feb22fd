/* Codes, scales and zeros into ggml's blocks, value for value (formats/exact-paths.md section 5): (code - zero) * scale, or code * scale + beta, with the scale
 * rounded to F16, which every block has. Nothing is searched: the codes are those that are given. */
#ifndef REPAQ_GGML_EMBED_H
#define REPAQ_GGML_EMBED_H

#include "ir/ggml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GGML_EMBED_COLUMNS_MIN 32 /* of a block: no type has smaller ones */

/* What all rows of a weight have in common. */
struct ggml_embed_facts {
    unsigned bits;             /* of a code, 1..8 */
    uint64_t columns, group;   /* columns 0..group-1, group..2*group-1, ... share a scale each, in whatever order; at least `columns`: all */
    bool betas;                /* values are code * scale + beta, and no integer zero stands for the beta */
    int64_t low, high;         /* of code - zero, over groups whose scale is not 0 */
    int64_t zero_low, zero_high; /* of the zeros of those */
    bool loose[2];             /* some zero * scale is no F16, as 4-bit and as 5-bit codes (ggml_embed_minimum); with betas: some beta is none */
};
/* What a type can hold of codes as they are. */
struct ggml_embed_holder {
    enum ggml_type type;
    uint8_t bits;              /* of its codes */
    enum { GGML_EMBED_RANGE, GGML_EMBED_MINIMUM, GGML_EMBED_ZERO } how;
    int16_t low, high;         /* RANGE: of code - zero. ZERO: of the zero. MINIMUM: those whose minimum is an F16 (ggml_embed_minimum) */
};
/* By bits a weight, then by id; NULL behind the last one. */
const struct ggml_embed_holder *ggml_embed_holder_at(size_t index);
/* True if the type holds every value exactly, but for the rounding of scales. */
bool ggml_embed_holds(enum ggml_type type, const struct ggml_embed_facts *facts);
/* The first type that does, by bits a weight, then by id; GGML_COUNT if none does. */
enum ggml_type ggml_embed_choose(const struct ggml_embed_facts *facts);

/* A block of codes 0..most with a scale and a minimum: value = code * scale + minimum. The minimum is -zero * scale where that is an F16; or else the codes are
 * counted from the top, most - code, with -scale and (most - zero) * scale. */
struct ggml_embed_minimum {
    float scale, minimum;
    bool turned;
};
/* False if neither is exact. `scale` is an F16. */
bool ggml_embed_minimum(float scale, int32_t zero, int32_t most, struct ggml_embed_minimum *found);

/* One row. Groups whose scale is 0 have values of 0 whatever their codes. */
struct ggml_embed_row {
    const uint8_t *codes;  /* [columns] */
    const float *scale;    /* [groups] */
    const int32_t *zero;   /* [groups] */
    const float *beta;     /* [groups]; NULL: zeros */
    const uint32_t *group_of; /* [columns]: the group of each; all columns of a block have one */
    uint64_t columns;
};
/* MXFP4: nibbles [blocks][16] of columns in order, low first, and exponents [blocks] into blocks [blocks][17]. Bits only move. */
void ggml_embed_mxfp4(const uint8_t *nibbles, const uint8_t *exponents, uint64_t blocks, uint8_t *data);
/* The row's blocks. The type holds them: ggml_embed_holds. */
void ggml_embed_row(enum ggml_type type, const struct ggml_embed_row *row, uint8_t *blocks);

#endif
