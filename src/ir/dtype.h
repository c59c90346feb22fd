/* Element types of stored tensors. */
#ifndef REPAQ_DTYPE_H
#define REPAQ_DTYPE_H

#include "base/text.h"

#include <stdbool.h>

enum dtype {
#define X(name, text, bits, is_float) DTYPE_##name,
#include "ir/dtype.def"
#undef X
    DTYPE_COUNT,
    DTYPE_NONE = DTYPE_COUNT, /* "not given" */
};

const char *dtype_name(enum dtype dtype);  /* "F16" */
unsigned dtype_bits(enum dtype dtype);     /* bits of one element */
bool dtype_is_float(enum dtype dtype);
/* F16, BF16 and F32: the dtypes of scales and of weights that repaq casts. */
bool dtype_is_plain_float(enum dtype dtype);
enum dtype dtype_find(struct slice name);  /* exact, case-sensitive; DTYPE_NONE if unknown */
/* "f16", "bf16", "float32", "torch.bfloat16", ...: the spellings of options and of config.json's torch_dtype; DTYPE_NONE if unknown. */
enum dtype dtype_parse(struct slice name);
/* "float16": the spelling of config.json; NULL if it has none. */
const char *dtype_torch_name(enum dtype dtype);

#endif
