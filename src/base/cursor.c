#include "base/cursor.h"

#include "base/le.h"

struct cursor cursor_over(const void *data, size_t size)
{
    return (struct cursor){.data = data, .size = size};
}

size_t cursor_left(const struct cursor *cursor)
{
    return cursor->size - cursor->at;
}

const uint8_t *cursor_bytes(struct cursor *cursor, uint64_t size)
{
    if (cursor->failed || size > cursor_left(cursor)) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *bytes = cursor->data + cursor->at;
    cursor->at += (size_t)size;
    return bytes;
}

uint8_t cursor_u8(struct cursor *cursor)
{
    const uint8_t *bytes = cursor_bytes(cursor, 1);
    return bytes == NULL ? 0 : *bytes;
}

uint32_t cursor_u32(struct cursor *cursor)
{
    const uint8_t *bytes = cursor_bytes(cursor, 4);
    return bytes == NULL ? 0 : le_load32(bytes);
}

uint64_t cursor_u64(struct cursor *cursor)
{
    const uint8_t *bytes = cursor_bytes(cursor, 8);
    return bytes == NULL ? 0 : le_load64(bytes);
}
