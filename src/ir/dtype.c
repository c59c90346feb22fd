#include "ir/dtype.h"

#include <strings.h>

static const struct {
    const char *name;
    unsigned char bits;
    bool is_float;
} rows[] = {
#define X(name, text, bits, is_float) {text, bits, is_float},
#include "ir/dtype.def"
#undef X
};
_Static_assert(sizeof rows / sizeof rows[0] == DTYPE_COUNT, "one row a dtype");

/* The dtypes that options and config.json name, with the spellings of both. */
static const struct {
    enum dtype dtype;
    const char *option, *torch;
} spelled[] = {
    {DTYPE_F32, "f32", "float32"},
    {DTYPE_F16, "f16", "float16"},
    {DTYPE_BF16, "bf16", "bfloat16"},
};

const char *dtype_name(enum dtype dtype)
{
    return (unsigned)dtype < DTYPE_COUNT ? rows[dtype].name : "none";
}

unsigned dtype_bits(enum dtype dtype)
{
    return (unsigned)dtype < DTYPE_COUNT ? rows[dtype].bits : 0;
}

bool dtype_is_float(enum dtype dtype)
{
    return (unsigned)dtype < DTYPE_COUNT && rows[dtype].is_float;
}

bool dtype_is_plain_float(enum dtype dtype)
{
    return dtype == DTYPE_F16 || dtype == DTYPE_BF16 || dtype == DTYPE_F32;
}

enum dtype dtype_find(struct slice name)
{
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (slice_is(name, rows[d].name))
            return (enum dtype)d;
    return DTYPE_NONE;
}

enum dtype dtype_parse(struct slice name)
{
    static const char prefix[] = "torch.";
    if (slice_starts(name, prefix))
        name = (struct slice){name.data + sizeof prefix - 1, name.size - (sizeof prefix - 1)};
    for (size_t i = 0; i < sizeof spelled / sizeof spelled[0]; i++) {
        const struct slice option = slice_of(spelled[i].option), torch = slice_of(spelled[i].torch);
        if ((name.size == option.size && strncasecmp(name.data, option.data, option.size) == 0) ||
            (name.size == torch.size && strncasecmp(name.data, torch.data, torch.size) == 0))
            return spelled[i].dtype;
    }
    return DTYPE_NONE;
}

const char *dtype_torch_name(enum dtype dtype)
{
    for (size_t i = 0; i < sizeof spelled / sizeof spelled[0]; i++)
        if (spelled[i].dtype == dtype)
            return spelled[i].torch;
    return NULL;
}
