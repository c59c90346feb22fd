/* A hash map from names to u32 values. Keys are borrowed; insertion order has no influence on anything visible. */
#ifndef REPAQ_MAP_H
#define REPAQ_MAP_H

#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

struct map_slot;

/* Zero-initialise; free with map_free. */
struct map {
    struct map_slot *slot; /* owned; open addressing, power-of-two capacity */
    size_t capacity;
    size_t count;
};

#define MAP_NONE UINT32_MAX

/* Adds key -> value. If the key is there, *existing is its value and nothing changes; else *existing is MAP_NONE. */
enum status map_add(struct map *map, struct slice key, uint32_t value, uint32_t *existing, struct err *err) WARN_UNUSED;
/* The value of the key, or MAP_NONE. */
uint32_t map_find(const struct map *map, struct slice key);
void map_free(struct map *map);

#endif
