/* A tile under way: what every kind of step needs. Inside plan/tile*.c only. */
#ifndef REPAQ_TILE_MAKING_H
#define REPAQ_TILE_MAKING_H

#include "plan/tile.h"

struct making {
    const struct tile_maker *maker;
    const struct output_tensor *output;
    const struct weight *weight; /* NULL for COPY and CAST, as spec */
    const struct spec *spec;     /* of the weight in the target */
    const struct survey_weight *seen;
    struct tile tile;
    size_t row_bytes;
    struct scratch *scratch;
    uint8_t *data;               /* tile.rows * row_bytes, to be filled */
};

#endif
