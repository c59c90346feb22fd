#include "plan/gguftype.h"

#include <string.h>

uint64_t gguftype_columns(const struct arranged *arranged)
{
    return arranged->rank == 0 ? 1 : arranged->shape[arranged->rank - 1];
}

/* What llama.cpp's converter leaves F16 where the others become ternary (ggml-org/llama.cpp:conversion/base.py, prepare_tensors). */
static bool stays_half(const struct arranged *arranged, const struct options *options)
{
    return options->converter && (options->type == FILETYPE_TQ1_0 || options->type == FILETYPE_TQ2_0) &&
           (strcmp(arranged->name, "token_embd.weight") == 0 || strcmp(arranged->name, "output.weight") == 0);
}

bool gguftype_is_q8(const struct model *model, const struct arranged *arranged, const struct options *options)
{
    bool all = options->fp8_as_q8 && arranged->weight_count > 0;
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        const struct spec *spec = &model->weight[arranged->weight[w]].spec;
        all = all && spec->grid == GRID_MINIFLOAT && !spec_is_mxfp4(spec);
    }
    return all;
}

enum ggml_type gguftype_floats(const struct arranged *arranged, const struct tensor *source, const struct options *options)
{
    uint64_t bytes;
    if (arranged->chosen)
        return arranged->type;
    if (arranged->always_f32)
        return GGML_F32;
    if (options->type == FILETYPE_NONE)
        return ggml_of_dtype(source->dtype);
    if (stays_half(arranged, options))
        return GGML_F16;
    return ggml_row_bytes(filetype_type(options->type), gguftype_columns(arranged), &bytes) ? filetype_type(options->type) : GGML_F16;
}

enum ggml_type gguftype_values(const struct model *model, const struct arranged *arranged, const struct options *options)
{
    uint64_t bytes;
    if (arranged->chosen)
        return arranged->type;
    if (arranged->always_f32)
        return GGML_F32;
    if (stays_half(arranged, options))
        return GGML_F16;
    const enum ggml_type type = gguftype_is_q8(model, arranged, options) ? GGML_Q8_0 : filetype_type(options->type);
    return type == GGML_COUNT || ggml_row_bytes(type, gguftype_columns(arranged), &bytes) ? type : GGML_F16;
}
