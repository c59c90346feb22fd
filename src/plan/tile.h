/* A tile: a contiguous range of whole stored rows of one output tensor. Tiles are independent, so the bytes do not depend on who runs which. */
#ifndef REPAQ_TILE_H
#define REPAQ_TILE_H

#include "plan/plan.h"
#include "plan/scratch.h"

struct tile {
    uint32_t output;      /* index into plan.tensor */
    uint32_t turn;        /* its place among the tiles of its file */
    uint64_t row0, rows;  /* stored rows; COPY and CAST: elements of row_bytes */
};

/* How an output is cut: rows of row_bytes; a tile's rows are a multiple of `align` (or end at the last row) and at most rows_max. */
struct tile_cut {
    uint64_t rows, row_bytes;
    uint64_t rows_max;
};
/* `budget` is what one tile's output may take. An output whose smallest tile exceeds it still gets that tile. */
struct tile_cut tile_cut(const struct plan *plan, const struct output_tensor *output, uint64_t budget);

/* What a worker needs to make tiles. */
struct tile_maker {
    const struct plan *plan;
    const struct fetch *fetch;
    uint64_t chunk_bytes; /* of source bytes read at a time */
};

/* Makes the tile's bytes in SCRATCH_STORE: *data points at rows * row_bytes bytes. */
enum status tile_make(const struct tile_maker *maker, struct tile tile, const struct tile_cut *cut, struct scratch *scratch, uint8_t **data,
                      struct err *err) WARN_UNUSED;

#endif
