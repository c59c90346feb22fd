#include "plan/scratch.h"

#include <stdlib.h>

void *scratch_take(struct scratch *scratch, enum scratch_slot slot, uint64_t size, struct err *err)
{
    if (scratch->data[slot] != NULL && scratch->size[slot] >= size)
        return scratch->data[slot];
    free(scratch->data[slot]);
    scratch->size[slot] = 0;
    scratch->data[slot] = size > SIZE_MAX / 2 ? NULL : malloc(size == 0 ? 1 : (size_t)size); /* not zeroed: untouched pages stay unmapped */
    if (scratch->data[slot] == NULL)
        (void)err_set(err, STATUS_LIMIT, "memory", "cannot allocate a buffer of %llu bytes", (unsigned long long)size);
    else
        scratch->size[slot] = (size_t)size;
    return scratch->data[slot];
}

void scratch_free(struct scratch *scratch)
{
    for (size_t i = 0; i < SCRATCH_COUNT; i++)
        free(scratch->data[i]);
    *scratch = (struct scratch){0};
}
