/* Tensor data of GGUF from one byte order to the other. */
#ifndef REPAQ_GGML_SWAP_H
#define REPAQ_GGML_SWAP_H

#include "ir/ggml.h"

#include <stdbool.h>
#include <stddef.h>

/* Turns the bytes of every number of more than one byte, in place: whole numbers of plain types, scales and words inside blocks; packed codes stay. `bytes` is
 * a multiple of the type's block. Its own inverse. False, and nothing done, where the type has no size. */
bool ggml_swap(enum ggml_type type, void *data, size_t bytes);

#endif
