#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES_FIRST ((size_t)64 << 10)
#define CHUNK_BYTES_MAX ((size_t)4 << 20)
#define ALIGNMENT ((size_t)16)

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

static void *out_of_memory(struct err *err)
{
    (void)err_set(err, STATUS_LIMIT, "memory", "out of memory");
    return NULL;
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t need)
{
    size_t size = arena->chunk == NULL ? CHUNK_BYTES_FIRST : arena->chunk->size * 2;
    if (size > CHUNK_BYTES_MAX)
        size = CHUNK_BYTES_MAX;
    if (size < need)
        size = need;
    struct arena_chunk *chunk = calloc(1, sizeof *chunk + size);
    if (chunk == NULL)
        return NULL;
    chunk->size = size;
    chunk->next = arena->chunk;
    arena->chunk = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, uint64_t count, size_t size, struct err *err)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(count, (uint64_t)size, &bytes) || bytes > SIZE_MAX / 4)
        return out_of_memory(err);
    const size_t need = ((size_t)bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_chunk *chunk = arena->chunk;
    if (chunk == NULL || chunk->size - chunk->used < need)
        chunk = add_chunk(arena, need);
    if (chunk == NULL)
        return out_of_memory(err);
    void *result = chunk->data + chunk->used;
    chunk->used += need;
    arena->bytes += need;
    return result;
}

char *arena_copy(struct arena *arena, const char *data, size_t size, struct err *err)
{
    char *copy = size == SIZE_MAX ? out_of_memory(err) : arena_alloc(arena, size + 1, 1, err);
    if (copy != NULL && size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *arena_format(struct arena *arena, struct err *err, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *string = length < 0 ? out_of_memory(err) : arena_alloc(arena, (uint64_t)length + 1, 1, err);
    if (string != NULL)
        (void)vsnprintf(string, (size_t)length + 1, format, again);
    va_end(again);
    return string;
}

void arena_free(struct arena *arena)
{
    while (arena->chunk != NULL) {
        struct arena_chunk *next = arena->chunk->next;
        free(arena->chunk);
        arena->chunk = next;
    }
    arena->bytes = 0;
}
