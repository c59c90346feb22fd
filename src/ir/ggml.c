#include "ir/ggml.h"

#include "base/checked.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    uint16_t elements, bytes;
    enum ggml_kind kind;
} rows[] = {
#define X(id, name, text, elements, bytes, kind) [id] = {text, elements, bytes, GGML_KIND_##kind},
#include "ir/ggml.def"
#undef X
};
_Static_assert(sizeof rows / sizeof rows[0] == GGML_COUNT, "one row a type");
#define X(id, name, text, elements, bytes, kind) _Static_assert((bytes) <= GGML_BLOCK_BYTES_MAX, text);
#include "ir/ggml.def"
#undef X

/* Plain numbers that safetensors has as well. */
static const struct {
    enum ggml_type type;
    enum dtype dtype;
} plain[] = {
    {GGML_F32, DTYPE_F32}, {GGML_F16, DTYPE_F16}, {GGML_BF16, DTYPE_BF16}, {GGML_F64, DTYPE_F64},
    {GGML_I8, DTYPE_I8},   {GGML_I16, DTYPE_I16}, {GGML_I32, DTYPE_I32},   {GGML_I64, DTYPE_I64},
};

const char *ggml_name(enum ggml_type type)
{
    return (unsigned)type < GGML_COUNT ? rows[type].name : "none";
}

enum ggml_kind ggml_kind(enum ggml_type type)
{
    return (unsigned)type < GGML_COUNT ? rows[type].kind : GGML_KIND_GONE;
}

uint32_t ggml_block_elements(enum ggml_type type)
{
    return (unsigned)type < GGML_COUNT ? rows[type].elements : 0;
}

uint32_t ggml_block_bytes(enum ggml_type type)
{
    return (unsigned)type < GGML_COUNT ? rows[type].bytes : 0;
}

enum ggml_type ggml_find(struct slice name)
{
    for (int t = 0; t < GGML_COUNT; t++)
        if (strlen(rows[t].name) == name.size && strncasecmp(rows[t].name, name.data, name.size) == 0)
            return (enum ggml_type)t;
    return GGML_COUNT;
}

enum dtype ggml_dtype(enum ggml_type type)
{
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (plain[i].type == type)
            return plain[i].dtype;
    return DTYPE_NONE;
}

enum ggml_type ggml_of_dtype(enum dtype dtype)
{
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (plain[i].dtype == dtype)
            return plain[i].type;
    return GGML_COUNT;
}

bool ggml_row_bytes(enum ggml_type type, uint64_t columns, uint64_t *bytes)
{
    const uint32_t elements = ggml_block_elements(type);
    return elements != 0 && columns % elements == 0 && checked_mul(columns / elements, ggml_block_bytes(type), bytes);
}
