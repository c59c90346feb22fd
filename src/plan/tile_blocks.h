/* Tiles of GGUF tensors that are made from values. */
#ifndef REPAQ_TILE_BLOCKS_H
#define REPAQ_TILE_BLOCKS_H

#include "plan/tile_making.h"

/* Rows that a tile is whole multiples of: heads that turn, and runs of the layouts that weights are stored in. */
uint64_t tile_blocks_align(const struct plan *plan, const struct output_tensor *output);
/* Of a COPY whose rows are a ggml type: CORRUPT where a scale (of plain types: a value) is no number, with row and column. A tile may begin and end at
 * any byte: blocks count to the tile that they begin in. */
enum status tile_blocks_check(const struct making *making, struct err *err) WARN_UNUSED;
enum status tile_blocks_make(const struct making *making, struct err *err) WARN_UNUSED;

#endif
