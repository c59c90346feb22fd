#include "plan/scratch.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Not zeroed: untouched pages stay unmapped. Large buffers are written line by line at large strides, which costs a page walk each on small pages. */
static void *reserve(uint64_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    if (size < 2 * HUGE_PAGE)
        return malloc(size == 0 ? 1 : (size_t)size);
    const size_t whole = ((size_t)size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *data = aligned_alloc(HUGE_PAGE, whole);
    if (data != NULL)
        (void)madvise(data, whole, MADV_HUGEPAGE);
    return data;
}

void *scratch_take(struct scratch *scratch, enum scratch_slot slot, uint64_t size, struct err *err)
{
    if (scratch->data[slot] != NULL && scratch->size[slot] >= size)
        return scratch->data[slot];
    free(scratch->data[slot]);
    scratch->size[slot] = 0;
    scratch->data[slot] = reserve(size);
    if (scratch->data[slot] == NULL)
        (void)err_set(err, STATUS_LIMIT, "memory", "cannot allocate a buffer of %llu bytes", (unsigned long long)size);
    else
        scratch->size[slot] = (size_t)size;
    return scratch->data[slot];
}

void scratch_swap(struct scratch *scratch, enum scratch_slot a, enum scratch_slot b)
{
    void *data = scratch->data[a];
    const size_t size = scratch->size[a];
    scratch->data[a] = scratch->data[b];
    scratch->size[a] = scratch->size[b];
    scratch->data[b] = data;
    scratch->size[b] = size;
}

void scratch_free(struct scratch *scratch)
{
    for (size_t i = 0; i < SCRATCH_COUNT; i++)
        free(scratch->data[i]);
    *scratch = (struct scratch){0};
}
