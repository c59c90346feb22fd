/* Checked bulk allocation. */
#ifndef REPAQ_MEM_H
#define REPAQ_MEM_H

#include "base/arena.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* count * size zeroed bytes from malloc, or NULL with *err filled. Free with free(). */
void *mem_alloc(uint64_t count, size_t size, struct err *err);
/* Makes room in *array (from malloc or NULL; elements of `size` bytes) for at least `need` elements, growing geometrically;
 * *capacity is in elements. New elements are zeroed. On failure the array is unchanged. */
enum status mem_grow(void **array, size_t *capacity, size_t need, size_t size, struct err *err) WARN_UNUSED;

#endif
