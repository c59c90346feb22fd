/* Memory: an arena for metadata that dies with its owner, and checked bulk allocation. */
#ifndef REPAQ_MEM_H
#define REPAQ_MEM_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

/* Zero-initialise. Chunks grow geometrically from 64 KiB to 4 MiB. */
struct arena {
    struct arena_chunk *chunk; /* owned; newest first */
    size_t bytes;              /* handed out so far */
};

/* count * size zeroed bytes aligned to 16, or NULL with *err filled (STATUS_LIMIT: "out of memory"). count * size may be 0. */
void *arena_alloc(struct arena *arena, uint64_t count, size_t size, struct err *err);
/* A NUL-terminated copy of size bytes. NULL with *err filled if memory is out. */
char *arena_copy(struct arena *arena, const char *data, size_t size, struct err *err);
/* A formatted, NUL-terminated string. NULL with *err filled if memory is out. */
char *arena_format(struct arena *arena, struct err *err, const char *format, ...) PRINTF_LIKE(3, 4);
void arena_free(struct arena *arena);

/* count * size zeroed bytes from malloc, or NULL with *err filled. Free with free(). */
void *mem_alloc(uint64_t count, size_t size, struct err *err);
/* Makes room in *array (from malloc or NULL; elements of `size` bytes) for at least `need` elements, growing geometrically;
 * *capacity is in elements. New elements are zeroed. On failure the array is unchanged. */
enum status mem_grow(void **array, size_t *capacity, size_t need, size_t size, struct err *err) WARN_UNUSED;

#endif
