/* fp8: FP8 checkpoints with scales per tensor, per channel or per block, read only. Read from deepseek-ai/DeepSeek-V3:README_WEIGHTS.md,
 * huggingface/transformers:src/transformers/integrations/{finegrained_fp8,fbgemm_fp8}.py and
 * vllm-project/vllm:vllm/model_executor/layers/quantization/{fp8,modelopt}.py.
 *
 *   X.weight            F8_E4M3 or F8_E5M2 [out][in]
 *   X.weight_scale_inv  F32 or BF16 [ceil(out/rows)][ceil(in/columns)]  blocks of weight_block_size; it multiplies, for all its name
 *   X.weight_scale      F32, BF16 or F16: [] or [1] per tensor, [out] or [out][1] per channel, blocks as above
 *   X.input_scale       [1] where activations are static
 *
 *   weight = code * scale. */
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/shape.h"

#include "base/checked.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct part fp8_part[] = {
    {ROLE_CODES, ".weight", true, WHEN_NEVER, DTYPE_F8_E4M3},
    {ROLE_SCALES, ".weight_scale", true, WHEN_NEVER, DTYPE_NONE},
    {ROLE_INPUT_SCALE, ".input_scale", false, WHEN_NEVER, DTYPE_NONE},
};
static const struct form fp8_form[] = {
    {.name = "FP8",
     .grid = GRID_MINIFLOAT,
     .bits = 8,
     .part = fp8_part,
     .part_count = 3,
     .codes = LAYOUT_BYTE_INT8,
     .symmetric = ZERO_MID,
     .asymmetric = ZERO_NEVER},
};

/* quant_method fp8 or fbgemm_fp8, or modelopt with an FP8 algorithm. */
static bool is_fp8(const struct jsondoc *config, const char **method)
{
    *method = jsondoc_string(jsondoc_get(config, "quant_method"));
    const char *algorithm = jsondoc_string(jsondoc_get(config, "quant_algo"));
    if (*method == NULL)
        return false;
    if (strcmp(*method, "fp8") == 0 || strcmp(*method, "fbgemm_fp8") == 0)
        return true;
    return strcmp(*method, "modelopt") == 0 && algorithm != NULL && strncasecmp(algorithm, "fp8", 3) == 0;
}

static void fp8_probe(const struct source *source, struct bid *bid)
{
    const char *method;
    if (!is_fp8(source_quantization(source), &method))
        return;
    bid->score = 90;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "config.json: quant_method \"%.30s\"", method);
}

/* weight_block_size [rows, columns]; zeros where there is none. */
static enum status read_blocks(const struct source *source, int64_t block[2], struct err *err)
{
    const struct jsondoc *sizes = jsondoc_get(source_quantization(source), "weight_block_size");
    const struct jsondoc *first = jsondoc_first(sizes), *second = first == NULL ? NULL : jsondoc_next(first);
    block[0] = block[1] = 0;
    if (sizes == NULL || jsondoc_kind(sizes) == JSONDOC_NULL)
        return STATUS_OK;
    if (jsondoc_kind(sizes) != JSONDOC_ARRAY || !jsondoc_int(first, &block[0]) || !jsondoc_int(second, &block[1]) || jsondoc_next(second) != NULL ||
        block[0] < 1 || block[1] < 1)
        return err_set(err, STATUS_CORRUPT, "config.json", "found a wrong value of \"weight_block_size\", expected two positive integers");
    return STATUS_OK;
}

/* --- which tensors are a weight -------------------------------------------------------------------------------------------------- */

static bool is_code_dtype(enum dtype dtype)
{
    return dtype == DTYPE_F8_E4M3 || dtype == DTYPE_F8_E5M2;
}

static enum status bind_weights(struct model *model, struct err *err)
{
    static const char *const scales[] = {".weight_scale_inv", ".weight_scale", ".scale"};
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        const struct slice name = slice_of(model->tensor[i].name);
        char where[700];
        uint32_t weight, part = MODEL_NONE;
        if (!is_code_dtype(model->tensor[i].dtype))
            continue;
        if (!slice_ends(name, ".weight"))
            return err_set(err, STATUS_UNSUPPORTED, model_where(model, i, where, sizeof where),
                           "found FP8 codes under a name that is no \".weight\" (fused experts)");
        char *module = arena_copy(&model->arena, name.data, name.size - strlen(".weight"), err);
        if (module == NULL)
            return STATUS_LIMIT;
        for (size_t s = 0; s < sizeof scales / sizeof scales[0] && part == MODEL_NONE; s++)
            (void)parts_sibling(model, slice_of(module), scales[s], &part);
        if (part == MODEL_NONE) {
            (void)err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where), "found FP8 codes without a scale (R-INCOMPLETE)");
            return err_try(err, "fetch the checkpoint again: a shard may be missing");
        }
        TRY(model_add_weight(model, module, &weight, err));
        model_claim(model, weight, ROLE_CODES, i);
        model_claim(model, weight, ROLE_SCALES, part);
        if (parts_sibling(model, slice_of(module), ".input_scale", &part))
            model_claim(model, weight, ROLE_INPUT_SCALE, part);
    }
    return STATUS_OK;
}

/* Scales that no weight claimed belong to codes that are missing, or to another kind of weight. */
static enum status refuse_strays(const struct model *model, struct err *err)
{
    static const char *const suffixes[] = {".weight_scale_inv", ".weight_scale", ".weight_scale_2", ".pre_quant_scale"};
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        char where[700];
        for (size_t s = 0; s < sizeof suffixes / sizeof suffixes[0]; s++)
            if (model->tensor[i].fate == FATE_CARRY && slice_ends(slice_of(model->tensor[i].name), suffixes[s]))
                return s < 2 ? err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where), "found a scale without FP8 codes (R-INCOMPLETE)")
                             : err_set(err, STATUS_UNSUPPORTED, model_where(model, i, where, sizeof where),
                                       "found a scale of NVFP4 or AWQ, expected FP8 alone");
    }
    return STATUS_OK;
}

static enum status bind_weight(const struct model *model, struct weight *weight, const int64_t block[2], struct err *err)
{
    const uint32_t at = weight->role[ROLE_CODES];
    const struct tensor *codes = &model->tensor[at];
    char where[700], shape[128];
    if (codes->rank != 2 || model_elements(codes) == 0)
        return err_set(err, codes->rank == 3 ? STATUS_UNSUPPORTED : STATUS_CORRUPT, model_where(model, at, where, sizeof where),
                       "found shape %s, expected two dimensions (R-SHAPE)", model_shape_text(codes, shape, sizeof shape));
    weight->out = codes->shape[0];
    weight->in = codes->shape[1];
    weight->spec = (struct spec){.grid = GRID_MINIFLOAT,
                                 .bits = 8,
                                 .zero_kind = ZERO_MID,
                                 .codes_layout = LAYOUT_BYTE_INT8,
                                 .activation = weight->role[ROLE_INPUT_SCALE] != MODEL_NONE ? ACTIVATION_STATIC : ACTIVATION_DYNAMIC};
    return shape_blocks(model, weight, block, err);
}

static enum status fp8_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    int64_t block[2];
    (void)options;
    TRY(read_blocks(source, block, err));
    TRY(source_tensors(source, model, err));
    TRY(bind_weights(model, err));
    TRY(refuse_strays(model, err));
    for (size_t w = 0; w < model->weight_count; w++)
        TRY(bind_weight(model, &model->weight[w], block, err));
    return STATUS_OK;
}

const struct format fp8_format = {
    .name = "fp8",
    .title = "FP8 with scales per tensor, channel or block (DeepSeek, FBGEMM, ModelOpt)",
    .can = {.grid = GRID_MINIFLOAT,
            .reads = true,
            .reencoded = "one scale of a whole tensor",
            .scale_dtypes = 1u << DTYPE_F32 | 1u << DTYPE_F16 | 1u << DTYPE_BF16},
    .form = fp8_form,
    .form_count = 1,
    .names = {.stem = "model"},
    .probe = fp8_probe,
    .read = fp8_read,
};
