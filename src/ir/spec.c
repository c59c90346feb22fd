#include "ir/spec.h"

const char *spec_grid_name(enum grid grid)
{
    static const char *const names[] = {"dense", "affine-zero", "affine-beta", "minifloat", "codebook", "ggml-block"};
    _Static_assert(sizeof names / sizeof names[0] == GRID_COUNT, "one name a grid");
    return (unsigned)grid < GRID_COUNT ? names[grid] : "unknown";
}

const char *spec_activation_name(enum activation activation)
{
    static const char *const names[] = {"none", "dynamic", "static"};
    return (unsigned)activation < sizeof names / sizeof names[0] ? names[activation] : "unknown";
}

bool spec_is_mxfp4(const struct spec *spec)
{
    return spec->grid == GRID_MINIFLOAT && spec->bits == 4 && spec->scale_dtype == DTYPE_F8_E8M0;
}
