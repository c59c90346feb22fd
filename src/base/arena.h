/* An arena: metadata that dies with its owner, without a malloc for each piece. */
#ifndef REPAQ_ARENA_H
#define REPAQ_ARENA_H

#include "base/err.h"

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

#endif
