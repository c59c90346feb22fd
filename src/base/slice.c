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
