#include "codec/ggml_grid.h"

#include <string.h>

#define X(name, bits, digits, shells, ...) static const uint16_t points_##name[] = {__VA_ARGS__};
#include "codec/ggml_grid.def"
#undef X

const uint16_t *const ggml_grid_points[GGML_GRID_COUNT] = {
#define X(name, bits, digits, shells, ...) [GGML_GRID_##name] = points_##name,
#include "codec/ggml_grid.def"
#undef X
};

/* Packed digits are below `packed`: 0..2 in 2 bits each, or 0..7 in 3 bits each. Neighbours are the points at the `shells` smallest distances. */
static const struct shape {
    uint16_t size, packed;
    uint8_t bits, digits, levels, shells;
} shapes[GGML_GRID_COUNT] = {
#define X(name, bits, digits, shells, ...) \
    [GGML_GRID_##name] = {sizeof points_##name / sizeof points_##name[0], (bits) == 2 ? 43691 : 4096, bits, digits, (bits) == 2 ? 3 : 8, shells},
#include "codec/ggml_grid.def"
#undef X
};

enum { DIGITS_MAX = 8, POINTS_MAX = 2048, DISTANCE_MAX = 4 * 49 }; /* of 8 digits up to 2, or 4 digits up to 7, squared */

static void unpack(const struct shape *shape, unsigned packed, int *digits)
{
    for (int i = 0; i < shape->digits; i++)
        digits[i] = (int)(packed >> shape->bits * i & ((1u << shape->bits) - 1));
}

/* False for packed digits that no quantizer makes. */
static bool digits_exist(const struct shape *shape, unsigned packed)
{
    int digits[DIGITS_MAX];
    unpack(shape, packed, digits);
    for (int i = 0; i < shape->digits; i++)
        if (digits[i] >= shape->levels)
            return false;
    return true;
}

/* Squared distances of all points in steps of one digit, and the largest of them that is a neighbour's. */
static int measure(const struct shape *shape, const uint16_t *points, unsigned packed, uint8_t *distances)
{
    int from[DIGITS_MAX], to[DIGITS_MAX];
    bool seen[DISTANCE_MAX + 1] = {false};
    unpack(shape, packed, from);
    for (int p = 0; p < shape->size; p++) {
        int sum = 0;
        unpack(shape, points[p], to);
        for (int i = 0; i < shape->digits; i++)
            sum += (from[i] - to[i]) * (from[i] - to[i]);
        distances[p] = (uint8_t)sum;
        seen[sum] = true;
    }
    int last = 0;
    for (int d = 0, shells = 0; d <= DISTANCE_MAX && shells < shape->shells; d++)
        if (seen[d])
            last = d, shells++;
    return last;
}

/* The list of one place off the grid, or only its length where `to` is NULL. Returns the entries of the list, the count among them. */
static size_t list_neighbours(const struct shape *shape, const uint16_t *points, unsigned packed, uint16_t *to)
{
    uint8_t distances[POINTS_MAX];
    const int last = measure(shape, points, packed, distances);
    size_t entries = 1;
    for (int d = to != NULL ? 0 : last; d <= last; d++)
        for (int p = 0; p < shape->size; p++) {
            if (to == NULL ? distances[p] > last : distances[p] != d)
                continue;
            if (to != NULL)
                to[entries] = points[p];
            entries++;
        }
    if (to != NULL)
        to[0] = (uint16_t)(entries - 1);
    return entries;
}

static enum status build(struct arena *arena, enum ggml_grid_id id, struct ggml_grid *grid, struct err *err)
{
    const struct shape *shape = shapes + id;
    const uint16_t *points = ggml_grid_points[id];
    int8_t *odd = arena_alloc(arena, shape->size, shape->digits, err);
    int32_t *map = arena_alloc(arena, shape->packed, sizeof *map, err);
    if (odd == NULL || map == NULL)
        return err->status;
    memset(map, -1, shape->packed * sizeof *map);
    for (int p = 0; p < shape->size; p++) {
        int digits[DIGITS_MAX];
        unpack(shape, points[p], digits);
        for (int i = 0; i < shape->digits; i++)
            odd[p * shape->digits + i] = (int8_t)(2 * digits[i] + 1);
        map[points[p]] = p;
    }
    size_t entries = 0;
    for (unsigned packed = 0; packed < shape->packed; packed++)
        if (map[packed] < 0 && digits_exist(shape, packed)) {
            map[packed] = -1 - (int32_t)entries;
            entries += list_neighbours(shape, points, packed, NULL);
        }
    uint16_t *neighbours = arena_alloc(arena, entries + GGML_GRID_BEHIND, sizeof *neighbours, err);
    if (neighbours == NULL)
        return err->status;
    memset(neighbours + entries, 0, GGML_GRID_BEHIND * sizeof *neighbours);
    for (unsigned packed = 0; packed < shape->packed; packed++)
        if (map[packed] < 0 && digits_exist(shape, packed))
            (void)list_neighbours(shape, points, packed, neighbours - 1 - map[packed]);
    *grid = (struct ggml_grid){.size = shape->size, .odd = odd, .map = map, .neighbours = neighbours};
    return STATUS_OK;
}

static enum ggml_grid_id grid_of(enum ggml_type type)
{
    switch (type) {
    case GGML_IQ2_XXS:
        return GGML_GRID_IQ2_XXS;
    case GGML_IQ2_XS:
        return GGML_GRID_IQ2_XS;
    case GGML_IQ2_S:
        return GGML_GRID_IQ2_S;
    case GGML_IQ3_XXS:
        return GGML_GRID_IQ3_XXS;
    case GGML_IQ3_S:
        return GGML_GRID_IQ3_S;
    case GGML_IQ1_S:
    case GGML_IQ1_M:
        return GGML_GRID_IQ1;
    default:
        return GGML_GRID_COUNT;
    }
}

enum status ggml_grid_build(struct arena *arena, enum ggml_type type, struct ggml_grids *grids, struct err *err)
{
    const enum ggml_grid_id id = grid_of(type);
    if (id == GGML_GRID_COUNT || grids->grid[id].map != NULL)
        return STATUS_OK;
    return build(arena, id, grids->grid + id, err);
}
