#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void *out_of_memory(struct err *err)
{
    (void)err_set(err, STATUS_LIMIT, "memory", "out of memory");
    return NULL;
}

void *mem_alloc(uint64_t count, size_t size, struct err *err)
{
    if (count > SIZE_MAX / 2 || (size > 0 && count > SIZE_MAX / 2 / size))
        return out_of_memory(err);
    void *result = calloc(count == 0 ? 1 : (size_t)count, size == 0 ? 1 : size);
    return result == NULL ? out_of_memory(err) : result;
}

enum status mem_grow(void **array, size_t *capacity, size_t need, size_t size, struct err *err)
{
    if (need <= *capacity)
        return STATUS_OK;
    size_t larger = *capacity < 16 ? 16 : *capacity + *capacity / 2;
    if (larger < need)
        larger = need;
    if (larger > SIZE_MAX / 2 / size)
        return err_set(err, STATUS_LIMIT, "memory", "out of memory");
    unsigned char *grown = realloc(*array, larger * size);
    if (grown == NULL)
        return err_set(err, STATUS_LIMIT, "memory", "out of memory");
    memset(grown + *capacity * size, 0, (larger - *capacity) * size);
    *array = grown;
    *capacity = larger;
    return STATUS_OK;
}
