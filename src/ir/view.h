/* A tensor that no file holds as it is: rows gathered from other tensors of the model, bytes that are made, or elements of its own
 * extent in another order. Where it is read, it reads as any other.
 *
 * The pieces stand in a grid, `down` x `across`: row r of the view is row r % rows of the pieces in line r / rows, side by side.
 *
 *     across = 2          down = 2                 down = 2: experts [expert][out][in], or shards of output channels
 *     [ a | b ]           [ a ]                    across = 2: shards of input channels
 *                         [ b ]
 */
#ifndef REPAQ_VIEW_H
#define REPAQ_VIEW_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* The order of rows within a head, for rotary embeddings: halves, (row i, row i + n/2) are a pair, as Hugging Face has it; or pairs, (row 2i, row 2i + 1),
 * as Meta and llama.cpp's `llama` have it (ggml-org/llama.cpp:convert_hf_to_gguf.py, LlamaModel.permute). */
enum turn {
    TURN_NONE,
    TURN_TO_PAIRS,  /* row 2i + p of the view is row p * n/2 + i of what it is made of */
    TURN_TO_HALVES, /* the inverse */
};
/* The row that stands at `row` of the turned order; rows are counted over all heads, each of `head` rows (even). */
uint64_t view_turned(enum turn turn, uint64_t head, uint64_t row);

/* What becomes of a field of ggml's blocks before it stands beside the others (codec/ggml_field.h). */
enum unfold {
    UNFOLD_NONE,    /* its bytes */
    UNFOLD_NIBBLES, /* 16 bytes of nibbles j and j + 16: nibbles in order, two a byte, the first low */
    UNFOLD_FIVE,    /* 4 bytes of fifth bits and 16 of nibbles j and j + 16: a byte a code, 32, j and j + 16 side by side */
};

/* A range of rows of one tensor. */
struct view_piece {
    uint32_t tensor; /* index into model.tensor; may be a view itself, of a smaller index */
    uint64_t row0;   /* the first of its rows that is meant */
};

struct view {
    const struct view_piece *piece; /* [down * across], line by line; in the arena */
    uint32_t down, across;
    uint64_t rows;                  /* of one piece */
    uint64_t piece_bytes;           /* of a row of one piece */
    uint64_t head;                  /* rows of a head; 0 with TURN_NONE */
    enum turn turn;                 /* of all rows of the view; with across == 1 */
    uint64_t field_stride;          /* not 0: of every so many bytes of the only piece, */
    uint64_t field_bytes;           /* those from byte row0 on, where others stand between them (fields of GGUF's blocks) */
    enum unfold unfold;             /* with field_stride: field_bytes are those of the result */
    const void *literal;            /* the bytes themselves, in the arena; the rest is 0 then */
    const uint64_t *stride;         /* [rank] in elements, in the arena: element (i, j, ...) stands i * stride[0] + j * stride[1] + ... behind the tensor's
                                       own offset in its own file; the rest but swap is 0 then */
    bool swap;                      /* with stride: elements are big-endian */
};

#endif
