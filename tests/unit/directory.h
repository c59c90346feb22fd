/* A checkpoint directory of one file and a config.json, from a table of tensors that each case of a test changes a little. */
#ifndef REPAQ_TESTS_DIRECTORY_H
#define REPAQ_TESTS_DIRECTORY_H

#include "base/tree.h"
#include "shard.h"

#include <sys/stat.h>
#include "formats/registry.h"

/* Its bytes follow from the shape; `values` are the first two of them as 64-bit integers (weight_shape), else zeros. */
struct entry {
    const char *name; /* NULL ends a table */
    const char *dtype; /* "": the tensor is left out */
    const char *shape; /* "4, 8" */
    int64_t values[2];
};

static inline size_t entry_bytes(const struct entry *entry)
{
    static const struct {
        const char *name;
        size_t bytes;
    } dtypes[] = {{"F32", 4}, {"I32", 4}, {"U32", 4},     {"F16", 2},     {"BF16", 2},    {"I16", 2}, {"I8", 1},
                  {"U8", 1},  {"I64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"F64", 8}};
    size_t bytes = 0;
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++)
        if (strcmp(dtypes[d].name, entry->dtype) == 0)
            bytes = dtypes[d].bytes;
    NEED(bytes > 0);
    for (const char *at = entry->shape; *at != '\0';) {
        char *end;
        bytes *= (size_t)strtoull(at, &end, 10);
        NEED(end != at);
        at = *end == ',' ? end + 1 : end;
    }
    return bytes;
}

static inline void entry_write(const struct entry *entry, struct shard *shard)
{
    const size_t bytes = entry_bytes(entry), size = strcmp(entry->dtype, "I64") == 0 ? 8 : 4;
    uint8_t *data = shard_add(shard, entry->name, entry->dtype, entry->shape, bytes);
    for (size_t v = 0; v < 2 && bytes == 2 * size; v++)
        for (size_t b = 0; b < size; b++)
            data[v * size + b] = (uint8_t)((uint64_t)entry->values[v] >> (8 * b));
}

/* `base` with the tensors of the same name replaced by those of `changes`, whose others are added. `config` is the whole config.json. */
static inline void directory_write(const char *dir, const struct entry *base, const struct entry *changes, const char *config)
{
    struct shard shard = {0};
    NEED(tree_remove(&file_posix, dir, NULL) == STATUS_OK && mkdir(dir, 0777) == 0);
    for (const struct entry *entry = base; entry->name != NULL; entry++) {
        const struct entry *chosen = entry;
        for (const struct entry *change = changes; change != NULL && change->name != NULL; change++)
            if (strcmp(change->name, entry->name) == 0)
                chosen = change;
        if (chosen->dtype[0] != '\0')
            entry_write(chosen, &shard);
    }
    for (const struct entry *change = changes; change != NULL && change->name != NULL; change++) {
        bool known = false;
        for (const struct entry *entry = base; entry->name != NULL; entry++)
            known = known || strcmp(change->name, entry->name) == 0;
        if (!known)
            entry_write(change, &shard);
    }
    shard_write(&shard, dir, "model.safetensors");
    spill(dir, "config.json", config, strlen(config));
}

struct opened {
    struct source source;
    struct model model;
    struct bid bid;
    struct err err;
};

/* Reads it as the format that bids most; directory_close ends it, whatever came of it. */
static inline enum status directory_read(struct opened *o, const char *dir)
{
    memset(o, 0, sizeof *o);
    const enum status status = source_open(&o->source, &file_posix, dir, &o->err);
    return status != STATUS_OK ? status : registry_read(&o->source, NULL, (struct read_options){0}, &o->model, &o->bid, &o->err);
}

static inline void directory_close(struct opened *o)
{
    model_free(&o->model);
    source_close(&o->source);
}

#endif
