#include "base/map.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

/* The stored hash spares a look at the key in most probes, and all rehashing of keys when the table grows. */
struct map_slot {
    struct slice key; /* data NULL: free */
    uint64_t hash;
    uint32_t value;
};

static struct map_slot *probe(struct map_slot *slot, size_t capacity, struct slice key, uint64_t hash)
{
    size_t at = (size_t)hash & (capacity - 1);
    while (slot[at].key.data != NULL && (slot[at].hash != hash || !slice_equal(slot[at].key, key)))
        at = (at + 1) & (capacity - 1);
    return &slot[at];
}

static enum status grow(struct map *map, struct err *err)
{
    const size_t capacity = map->capacity == 0 ? 64 : map->capacity * 2;
    struct map_slot *slot = mem_alloc(capacity, sizeof *slot, err);
    if (slot == NULL)
        return STATUS_LIMIT;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slot[i].key.data != NULL)
            *probe(slot, capacity, map->slot[i].key, map->slot[i].hash) = map->slot[i];
    free(map->slot);
    map->slot = slot;
    map->capacity = capacity;
    return STATUS_OK;
}

enum status map_add(struct map *map, struct slice key, uint32_t value, uint32_t *existing, struct err *err)
{
    if (key.data == NULL)
        key.data = "";
    if (map->count + 1 > map->capacity / 4 * 3)
        TRY(grow(map, err));
    const uint64_t hash = hash_64(key.data, key.size);
    struct map_slot *slot = probe(map->slot, map->capacity, key, hash);
    *existing = slot->key.data == NULL ? MAP_NONE : slot->value;
    if (slot->key.data != NULL)
        return STATUS_OK;
    *slot = (struct map_slot){key, hash, value};
    map->count++;
    return STATUS_OK;
}

uint32_t map_find(const struct map *map, struct slice key)
{
    if (map->capacity == 0)
        return MAP_NONE;
    const struct map_slot *slot = probe(map->slot, map->capacity, key, hash_64(key.data, key.size));
    return slot->key.data == NULL ? MAP_NONE : slot->value;
}

void map_free(struct map *map)
{
    free(map->slot);
    *map = (struct map){0};
}
