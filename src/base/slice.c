#include "base/slice.h"

#include <string.h>

struct slice slice_of(const char *string)
{
    return (struct slice){string, string == NULL ? 0 : strlen(string)};
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool slice_is(struct slice a, const char *string)
{
    return slice_equal(a, slice_of(string));
}

bool slice_starts(struct slice a, const char *prefix)
{
    const size_t size = strlen(prefix);
    return a.size >= size && (size == 0 || memcmp(a.data, prefix, size) == 0);
}

bool slice_ends(struct slice a, const char *suffix)
{
    const size_t size = strlen(suffix);
    return a.size >= size && (size == 0 || memcmp(a.data + a.size - size, suffix, size) == 0);
}

bool slice_u64(struct slice a, uint64_t *value)
{
    uint64_t sum = 0;
    if (a.size == 0 || (a.size > 1 && a.data[0] == '0'))
        return false;
    for (size_t i = 0; i < a.size; i++) {
        if (a.data[i] < '0' || a.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(sum, UINT64_C(10), &sum) || __builtin_add_overflow(sum, (uint64_t)(a.data[i] - '0'), &sum))
            return false;
    }
    *value = sum;
    return true;
}

size_t slice_utf8(struct slice a)
{
    const unsigned char *byte = (const unsigned char *)a.data;
    if (byte[0] < 0x80)
        return 1;
    const size_t length = byte[0] < 0xc2 ? 0 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : byte[0] < 0xf5 ? 4 : 0;
    if (length == 0 || length > a.size)
        return 0;
    const unsigned char low = byte[0] == 0xe0 ? 0xa0 : byte[0] == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = byte[0] == 0xed ? 0x9f : byte[0] == 0xf4 ? 0x8f : 0xbf;
    if (byte[1] < low || byte[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool slice_is_utf8(struct slice a)
{
    while (a.size > 0) {
        const size_t length = slice_utf8(a);
        if (length == 0)
            return false;
        a = (struct slice){a.data + length, a.size - length};
    }
    return true;
}
