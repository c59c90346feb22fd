/* Tensor types of GGUF: ids, names and block sizes. A row of a tensor is whole blocks; rows never share one. */
#ifndef REPAQ_GGML_H
#define REPAQ_GGML_H

#include "base/slice.h"
#include "ir/dtype.h"

#include <stdbool.h>
#include <stdint.h>

enum ggml_type {
#define X(id, name, text, elements, bytes, kind) GGML_##name = id,
#include "ir/ggml.def"
#undef X
    GGML_COUNT, /* ids from here on are unknown; also "not given" */
};

enum { GGML_BLOCK_BYTES_MAX = 292 };

enum ggml_kind {
    GGML_KIND_FLOAT,
    GGML_KIND_INTEGER,
    GGML_KIND_BLOCK,
    GGML_KIND_GONE,  /* removed upstream: no size */
    GGML_KIND_INNER, /* of a computation: not in files */
};

const char *ggml_name(enum ggml_type type);          /* "Q4_K" */
enum ggml_kind ggml_kind(enum ggml_type type);
uint32_t ggml_block_elements(enum ggml_type type);   /* 32; 1 for plain numbers, 0 for what is gone */
uint32_t ggml_block_bytes(enum ggml_type type);      /* of one block */
enum ggml_type ggml_find(struct slice name);         /* any case; GGML_COUNT if unknown */
enum dtype ggml_dtype(enum ggml_type type);          /* of plain numbers; DTYPE_NONE for blocks */
enum ggml_type ggml_of_dtype(enum dtype dtype);      /* GGML_COUNT where GGUF has no such numbers */
/* Bytes of a row of `columns` elements in *bytes; false where columns are no whole blocks, the type has no size, or the product overflows. */
bool ggml_row_bytes(enum ggml_type type, uint64_t columns, uint64_t *bytes);

#endif
