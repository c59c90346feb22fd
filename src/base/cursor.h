/* A bounded reader over bytes in memory with a sticky failure: parse straight through, test `failed` once. */
#ifndef REPAQ_CURSOR_H
#define REPAQ_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    const uint8_t *data; /* borrowed */
    size_t size;         /* bytes */
    size_t at;           /* bytes consumed */
    bool failed;         /* a read went past the end; all later reads give 0 */
};

struct cursor cursor_over(const void *data, size_t size);
uint8_t cursor_u8(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
/* The next `size` bytes in place, or NULL (and failed) if fewer remain. */
const uint8_t *cursor_bytes(struct cursor *cursor, uint64_t size);
size_t cursor_left(const struct cursor *cursor);

#endif
