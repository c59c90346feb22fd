/* A weight made by hand over the tensors of one file: what decodes it needs no reader. */
#ifndef REPAQ_TESTS_MADE_H
#define REPAQ_TESTS_MADE_H

#include "base/tree.h"
#include "formats/source.h"
#include "plan/fetch.h"
#include "plan/scratch.h"
#include "shard.h"

#include <sys/stat.h>

struct made {
    struct shard shard;
    const char *name[ROLE_COUNT]; /* of the tensors that have a role */
    struct source source;
    struct model model;
    struct fetch fetch;
    struct scratch scratch;
    struct err err;
    struct weight weight; /* the test fills what is no role */
};

static inline void made_start(struct made *made)
{
    memset(made, 0, sizeof *made);
    made->weight.name = "w";
    for (int r = 0; r < ROLE_COUNT; r++)
        made->weight.role[r] = MODEL_NONE;
}

/* Bytes of a tensor in this role, valid until the next one is added: zeros. */
static inline uint8_t *made_add(struct made *made, enum role role, const char *name, const char *dtype, const char *shape, size_t bytes)
{
    made->name[role] = name;
    return shard_add(&made->shard, name, dtype, shape, bytes);
}

/* A flat tensor of these values, which the dtype holds. */
static inline void made_floats(struct made *made, enum role role, const char *name, enum real real, const float *values, size_t count)
{
    char shape[32];
    (void)snprintf(shape, sizeof shape, "%zu", count);
    uint8_t *data = made_add(made, role, name, real_name(real), shape, count * real_size(real));
    for (size_t i = 0; i < count; i++)
        real_put(data, real, i, values[i]);
}

/* Writes the file and opens it. */
static inline void made_open(struct made *made, const char *dir)
{
    NEED(tree_remove(&file_posix, dir, NULL) == STATUS_OK && mkdir(dir, 0777) == 0);
    shard_write(&made->shard, dir, "model.safetensors");
    NEED(source_open(&made->source, &file_posix, dir, &made->err) == STATUS_OK);
    NEED(source_tensors(&made->source, &made->model, &made->err) == STATUS_OK);
    NEED(fetch_open(&made->fetch, &file_posix, &made->model, &made->err) == STATUS_OK);
    for (int r = 0; r < ROLE_COUNT; r++)
        if (made->name[r] != NULL)
            made->weight.role[r] = model_find(&made->model, slice_of(made->name[r]));
}

static inline void made_close(struct made *made)
{
    scratch_free(&made->scratch);
    fetch_close(&made->fetch);
    model_free(&made->model);
    source_close(&made->source);
}

static inline enum dtype made_dtype(enum real real)
{
    return real == REAL_F16 ? DTYPE_F16 : real == REAL_BF16 ? DTYPE_BF16 : DTYPE_F32;
}

#endif
