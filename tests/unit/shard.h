/* Writing safetensors files and texts for tests. */
#ifndef REPAQ_TESTS_SHARD_H
#define REPAQ_TESTS_SHARD_H

#include "numbers.h"

/* One safetensors file under way. */
struct shard {
    char header[16384];
    size_t used;
    uint8_t *data;
    size_t bytes;
};

static inline uint8_t *shard_add(struct shard *shard, const char *name, const char *dtype, const char *shape, size_t bytes)
{
    shard->used += (size_t)snprintf(shard->header + shard->used, sizeof shard->header - shard->used,
                                    "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", shard->used == 0 ? '{' : ',', name, dtype, shape,
                                    shard->bytes, shard->bytes + bytes);
    NEED(shard->used + 16 < sizeof shard->header);
    shard->data = realloc(shard->data, shard->bytes + bytes + 1);
    NEED(shard->data != NULL);
    memset(shard->data + shard->bytes, 0, bytes);
    shard->bytes += bytes;
    return shard->data + shard->bytes - bytes;
}

static inline void spill(const char *dir, const char *name, const void *data, size_t size)
{
    char path[1200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    NEED(file != NULL);
    NEED(fwrite(data, 1, size, file) == size);
    NEED(fclose(file) == 0);
}

static inline void shard_write(struct shard *shard, const char *dir, const char *name)
{
    shard->header[shard->used++] = '}';
    while (shard->used % 8 != 0)
        shard->header[shard->used++] = ' ';
    uint8_t *whole = malloc(8 + shard->used + shard->bytes);
    NEED(whole != NULL);
    for (size_t i = 0; i < 8; i++)
        whole[i] = (uint8_t)((uint64_t)shard->used >> (8 * i));
    memcpy(whole + 8, shard->header, shard->used);
    if (shard->bytes > 0)
        memcpy(whole + 8 + shard->used, shard->data, shard->bytes);
    spill(dir, name, whole, 8 + shard->used + shard->bytes);
    free(whole);
    free(shard->data);
}

#endif
