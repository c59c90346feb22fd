/* mxfp4: gpt-oss as Hugging Face has it, read only. Read from openai/gpt-oss:gpt_oss/torch/weights.py and
 * huggingface/transformers:src/transformers/integrations/mxfp4.py.
 *
 *   X_blocks  U8 [expert][out][in/32][16]  byte j of a block: bits 3..0 = element 2j, 7..4 = element 2j+1
 *   X_scales  U8 [expert][out][in/32]      E8M0: 2^(byte - 127)
 *
 *   weight = code * 2^(byte - 127), and X is [expert][in][out] in a float checkpoint: each expert's matrix lies turned. */
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/shape.h"

#include "base/checked.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 32 /* elements that share an exponent */

static const struct part mxfp4_part[] = {
    {ROLE_CODES, "_blocks", true, WHEN_NEVER, DTYPE_U8},
    {ROLE_SCALES, "_scales", true, WHEN_NEVER, DTYPE_U8},
};
static const struct form mxfp4_form[] = {
    {.name = "MXFP4",
     .grid = GRID_MINIFLOAT,
     .bits = 4,
     .part = mxfp4_part,
     .part_count = 2,
     .codes = LAYOUT_ROW_IN4,
     .symmetric = ZERO_MID,
     .asymmetric = ZERO_NEVER},
};

static void mxfp4_probe(const struct source *source, struct bid *bid)
{
    const char *method = jsondoc_string(jsondoc_get(source_quantization(source), "quant_method"));
    if (method == NULL || strcmp(method, "mxfp4") != 0)
        return;
    bid->score = 90;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "config.json: MXFP4");
}

static enum status bad_shape(const struct model *model, uint32_t tensor, struct err *err)
{
    char where[700], shape[128];
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where),
                   "found %s %s, expected U8 blocks [experts, out, in/32, 16] with scales [experts, out, in/32] (R-SHAPE)",
                   dtype_name(model->tensor[tensor].dtype), model_shape_text(&model->tensor[tensor], shape, sizeof shape));
}

static enum status bind_weight(const struct model *model, struct weight *weight, struct err *err)
{
    const uint32_t codes = weight->role[ROLE_CODES], scales = weight->role[ROLE_SCALES];
    const struct tensor *blocks = &model->tensor[codes], *exponents = &model->tensor[scales];
    if (blocks->dtype != DTYPE_U8 || blocks->rank != 4 || blocks->shape[3] != BLOCK / 2 || model_elements(blocks) == 0 || blocks->shape[0] > UINT32_MAX)
        return bad_shape(model, codes, err);
    if (exponents->dtype != DTYPE_U8 || exponents->rank != 3 || memcmp(exponents->shape, blocks->shape, 3 * sizeof *blocks->shape) != 0)
        return bad_shape(model, scales, err);
    weight->out = blocks->shape[0] * blocks->shape[1];
    weight->in = blocks->shape[2] * BLOCK;
    weight->groups = blocks->shape[2];
    weight->spec = (struct spec){.grid = GRID_MINIFLOAT,
                                 .bits = 4,
                                 .zero_kind = ZERO_MID,
                                 .param_order = ORDER_OUT_GROUP,
                                 .scale_dtype = DTYPE_F8_E8M0,
                                 .group = BLOCK,
                                 .experts = (uint32_t)blocks->shape[0],
                                 .codes_layout = LAYOUT_ROW_IN4};
    return STATUS_OK;
}

static enum status mxfp4_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    (void)options;
    TRY(source_tensors(source, model, err));
    TRY(parts_bind(mxfp4_part, sizeof mxfp4_part / sizeof mxfp4_part[0], model, err));
    for (size_t w = 0; w < model->weight_count; w++)
        TRY(bind_weight(model, &model->weight[w], err));
    return STATUS_OK;
}

const struct format mxfp4_format = {
    .name = "mxfp4",
    .title = "MXFP4 experts as gpt-oss has them",
    .can = {.grid = GRID_MINIFLOAT, .reads = true, .stacks = true, .scale_dtypes = 0},
    .form = mxfp4_form,
    .form_count = 1,
    .names = {.stem = "model"},
    .probe = mxfp4_probe,
    .read = mxfp4_read,
};
