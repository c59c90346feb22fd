/* The grids of the I types: a code is the number of a point of 8 (or 4) coordinates, and values off the grid take one of the points around them. */
#ifndef REPAQ_GGML_GRID_H
#define REPAQ_GGML_GRID_H

#include "base/arena.h"
#include "ir/ggml.h"

#include <stdbool.h>
#include <stdint.h>

enum ggml_grid_id {
    GGML_GRID_IQ2_XXS,
    GGML_GRID_IQ2_XS,
    GGML_GRID_IQ2_S,
    GGML_GRID_IQ3_XXS,
    GGML_GRID_IQ3_S,
    GGML_GRID_IQ1, /* IQ1_S and IQ1_M */
    GGML_GRID_COUNT,
};

enum { GGML_GRID_BEHIND = 16 }; /* zeros behind the last list, for those who read vectors */

/* What a quantizer needs to know of a grid. Digits are the coordinates: 0..2, in IQ3 0..7; packed digits are bits_per_digit bits each, the first one lowest. */
struct ggml_grid {
    uint32_t size;              /* points */
    const int8_t *odd;          /* [size][digits]: 2 * digit + 1 */
    const int32_t *map;         /* [packed digits]: the number of the point, or -1 - where its neighbours begin */
    const uint16_t *neighbours; /* count, then the packed digits of that many points, by distance and then number; and so on; then zeros */
};

struct ggml_grids {
    struct ggml_grid grid[GGML_GRID_COUNT]; /* zeroed where not built */
};

/* The packed digits of each point, in order. */
extern const uint16_t *const ggml_grid_points[GGML_GRID_COUNT];

/* Makes what quantizing to `type` needs, if it has a grid that is not there yet. grids is zeroed at first; the arena keeps the tables. LIMIT: out of memory. */
enum status ggml_grid_build(struct arena *arena, enum ggml_type type, struct ggml_grids *grids, struct err *err) WARN_UNUSED;

#endif
