/* msmodelslim: Huawei msModelSlim W4A16 and W8A16. Read from Ascend/msmodelslim:msmodelslim/pytorch/llm_ptq/llm_ptq_tools/quant_tools.py and
 * msmodelslim/core/quant_service/modelslim_v1/save/ascendv1.py.
 *
 *   quant_model_description*.json: { "version": "1.0.0", "group_size": 128, ..., "TENSOR": "W4A16" | "W8A16" | "FLOAT" | ... }
 *   X.weight         I8  codes - 2^(bits-1), two's complement:
 *                        W8A16                                  [out][in]
 *                        W4A16, no version (or "0.0.0")         [out][in]    one int4 a byte
 *                        W4A16, "1.0.0", scales per group       [out/2][in]  low nibble = even out
 *                        W4A16, "1.0.0", scale's last dim is 1  [out][in/2]  low nibble = even in
 *   X.weight_scale   F32, F16 or BF16 [out][group] ([out], stale [out*group, 1], or one value for all)
 *   X.weight_offset  the same shape: zero - 2^(bits-1); not finite where the scale is 0
 *
 *   weight = (code - zero) * scale. */
#include "base/limits.h"
#include "formats/description.h"
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/shape.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct part msmodelslim_part[] = {
    {ROLE_CODES, ".weight", true},
    {ROLE_SCALES, ".weight_scale", true},
    {ROLE_ZEROS, ".weight_offset", true},
};
static const struct width msmodelslim_width[] = {{4, LAYOUT_NIBBLE_OUT, LAYOUT_NIBBLE_OUT}, {8, LAYOUT_BYTE_INT8, LAYOUT_BYTE_INT8}};

static const char *description_name(const struct source *source)
{
    static const char plain[] = "quant_model_description.json";
    return source_has(source, plain) ? plain : source_match(source, "quant_model_description_", ".json");
}

static void msmodelslim_probe(const struct source *source, struct bid *bid)
{
    const char *name = description_name(source);
    if (name == NULL)
        return;
    bid->score = 95;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "%.150s beside the weights", name);
}

/* --- which tensors are a weight --------------------------------------------------------------------------------------- */

static bool sibling(const struct model *model, struct slice module, const char *suffix, uint32_t *tensor)
{
    char name[LIMIT_NAME_BYTES_MAX + 32];
    if (module.size + strlen(suffix) >= sizeof name)
        return false;
    memcpy(name, module.data, module.size);
    memcpy(name + module.size, suffix, strlen(suffix) + 1);
    *tensor = model_find(model, slice_of(name));
    return *tensor != MODEL_NONE;
}

/* "X.weight" of a described quantized type, integer-typed, with its scale and offset, becomes weight X. */
static enum status bind_weight(struct model *model, uint32_t codes, struct err *err)
{
    char where[700];
    const struct slice name = slice_of(model->tensor[codes].name);
    const struct slice module = {name.data, name.size - strlen(msmodelslim_part[0].suffix)};
    uint32_t weight;
    char *copy = arena_copy(&model->arena, module.data, module.size, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    TRY(model_add_weight(model, copy, &weight, err));
    model_claim(model, weight, ROLE_CODES, codes);
    for (size_t p = 1; p < sizeof msmodelslim_part / sizeof msmodelslim_part[0]; p++) {
        uint32_t tensor;
        if (!sibling(model, module, msmodelslim_part[p].suffix, &tensor)) {
            (void)err_set(err, STATUS_CORRUPT, model_where(model, codes, where, sizeof where), "found codes without %.*s%s (R-INCOMPLETE)",
                          (int)module.size, module.data, msmodelslim_part[p].suffix);
            return err_try(err, "fetch the checkpoint again: a shard may be missing");
        }
        model_claim(model, weight, msmodelslim_part[p].role, tensor);
    }
    return STATUS_OK;
}

static enum status refuse_undescribed(const struct model *model, uint32_t tensor, const char *why, struct err *err)
{
    char where[700];
    (void)err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where),
                  "found a tensor that the description does not list, and %s (R-INCOMPLETE)", why);
    return err_try(err, "use the description file that was written with these weights");
}

static enum status bind_weights(struct model *model, const struct description *description, struct err *err)
{
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        char where[700];
        const struct tensor *tensor = &model->tensor[i];
        const enum quant_type type = description->type[i];
        if (type == QUANT_UNLISTED && !dtype_is_float(tensor->dtype))
            return refuse_undescribed(model, i, "holds integers", err);
        if (type == QUANT_FLOAT && tensor->dtype == DTYPE_I8)
            return err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where), "found I8, but the description says FLOAT");
        if ((type != QUANT_W4A16 && type != QUANT_W8A16) || !slice_ends(slice_of(tensor->name), msmodelslim_part[0].suffix))
            continue;
        if (tensor->dtype == DTYPE_I8)
            TRY(bind_weight(model, i, err));
        else if (tensor->rank >= 2)
            return err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where), "found %s, but the description says %s (I8 codes)",
                           dtype_name(tensor->dtype), description_type_name(type));
    }
    /* What is left must be no part of a quantized weight: norms keep their type in old descriptions and are floats. */
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        const struct tensor *tensor = &model->tensor[i];
        char where[700];
        for (size_t p = 1; p < sizeof msmodelslim_part / sizeof msmodelslim_part[0]; p++) {
            if (tensor->fate != FATE_CARRY || !slice_ends(slice_of(tensor->name), msmodelslim_part[p].suffix))
                continue;
            return err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where), "found a part of a quantized weight without its codes");
        }
        if (tensor->fate == FATE_CARRY && tensor->dtype == DTYPE_I8 && description->type[i] != QUANT_FLOAT)
            return err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where), "found I8 codes under a name that is no \".weight\"");
    }
    return STATUS_OK;
}

/* A tensor of a described weight ("X.bias" aside, which is a layer bias) that the description leaves out contradicts it. */
static enum status check_siblings_listed(const struct model *model, const struct description *description, struct err *err)
{
    for (size_t w = 0; w < model->weight_count; w++) {
        for (size_t r = 0; r < ROLE_COUNT; r++) {
            const uint32_t tensor = model->weight[w].role[r];
            if (tensor != MODEL_NONE && description->type[tensor] == QUANT_UNLISTED)
                return refuse_undescribed(model, tensor, "belongs to a described weight", err);
        }
        const uint32_t codes = model->weight[w].role[ROLE_CODES];
        const uint32_t scales = model->weight[w].role[ROLE_SCALES], zeros = model->weight[w].role[ROLE_ZEROS];
        char where[700];
        if (description->type[scales] != description->type[codes] || description->type[zeros] != description->type[codes])
            return err_set(err, STATUS_CORRUPT, model_where(model, scales, where, sizeof where),
                           "found type %s in the description, expected %s as its codes have", description_type_name(description->type[scales]),
                           description_type_name(description->type[codes]));
    }
    return STATUS_OK;
}

/* --- shapes (formats/msmodelslim.md section 3.2) -------------------------------------------------------------------- */

struct inferred {
    uint64_t out, in, groups;
    enum layout_id layout;
};

static enum status shapes_contradict(const struct model *model, const struct weight *weight, const char *says, struct err *err)
{
    char where[700], codes[128], scales[128];
    (void)err_set(err, STATUS_CORRUPT, model_where(model, weight->role[ROLE_CODES], where, sizeof where),
                  "found shape %s with scales %s, which is not %s (R-SHAPE)",
                  model_shape_text(&model->tensor[weight->role[ROLE_CODES]], codes, sizeof codes),
                  model_shape_text(&model->tensor[weight->role[ROLE_SCALES]], scales, sizeof scales), says);
    return err_try(err, "use the description file that was written with these weights");
}

/* Rows x columns as stored and the scales' shape give out, in and the number of groups. False if they contradict each other. */
static bool infer(const struct tensor *codes, const struct tensor *scales, unsigned bits, bool packed, struct inferred *result)
{
    const uint64_t count = model_elements(scales);
    const uint64_t last = scales->rank == 0 ? 1 : scales->shape[scales->rank - 1];
    uint64_t out = codes->shape[0], in = codes->shape[1];
    result->layout = bits == 8 ? LAYOUT_BYTE_INT8 : LAYOUT_BYTE_INT4;
    if (packed && bits == 4 && scales->rank == 2 && last > 1) {
        result->layout = LAYOUT_NIBBLE_OUT;
        out *= 2;
    } else if (packed && bits == 4) {
        result->layout = LAYOUT_NIBBLE_IN;
        in *= 2;
    }
    if (out == 0 || in == 0 || scales->rank > 2 || count == 0)
        return false;
    *result = (struct inferred){out, in, 1, result->layout};
    if (count == 1) /* per tensor; or one row of one group, which is the same thing */
        return true;
    result->groups = count / out;
    if (count % out != 0 || in % result->groups != 0)
        return false;
    return scales->rank == 1 ? count == out : scales->shape[0] == out || (last == 1 && scales->shape[0] == count);
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (unsigned d = 0; d < a->rank; d++)
        if (a->shape[d] != b->shape[d])
            return false;
    return true;
}

static enum status shape_weight(const struct model *model, struct weight *weight, const struct description *description, struct err *err)
{
    char where[700];
    const uint32_t at = weight->role[ROLE_CODES];
    const struct tensor *codes = &model->tensor[at], *scales = &model->tensor[weight->role[ROLE_SCALES]];
    const unsigned bits = description->type[at] == QUANT_W4A16 ? 4 : 8;
    struct inferred found;
    TRY(shape_expect_float(model, weight->role[ROLE_SCALES], err));
    TRY(shape_expect_float(model, weight->role[ROLE_ZEROS], err));
    const char *says = bits == 8 ? "W8A16, one int8 a byte" : description->packed ? "W4A16 packed two a byte" : "W4A16 with one int4 a byte";
    if (codes->rank != 2 || !infer(codes, scales, bits, description->packed, &found))
        return shapes_contradict(model, weight, says, err);
    if (!same_shape(scales, &model->tensor[weight->role[ROLE_ZEROS]]))
        return err_set(err, STATUS_CORRUPT, model_where(model, weight->role[ROLE_ZEROS], where, sizeof where),
                       "found another shape than the scales have (R-SHAPE)");
    const uint64_t group = found.in / found.groups;
    if (description->group_size > 0 && found.groups > 1 && group != (uint64_t)description->group_size)
        return err_set(err, STATUS_CORRUPT, model_where(model, weight->role[ROLE_SCALES], where, sizeof where),
                       "found groups of %llu, but the description says group_size %lld (R-SHAPE)", (unsigned long long)group,
                       (long long)description->group_size);
    weight->out = found.out;
    weight->in = found.in;
    weight->groups = found.groups;
    const bool one = model_elements(scales) == 1 && found.out > 1;
    weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO, .bits = (uint8_t)bits, .zero_kind = ZERO_OFFSET, .scale_dtype = scales->dtype, .group = group,
                                 .param_order = one ? ORDER_ONE : ORDER_OUT_GROUP, .codes_layout = (uint16_t)found.layout};
    return STATUS_OK;
}

/* --- what the anti-outlier step leaves behind (formats/msmodelslim.md section 4) -------------------------------------- */

static bool contains(struct slice text, const char *word)
{
    const size_t size = strlen(word);
    for (size_t i = 0; i + size <= text.size; i++)
        if (strncasecmp(text.data + i, word, size) == 0)
            return true;
    return false;
}

/* A model whose norms are LayerNorms has real norm biases; RMSNorm has none, and the tool adds one. */
static bool has_layer_norms(const struct source *source)
{
    static const char *const keys[] = {"layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon", "norm_epsilon"};
    if (jsondoc_get(source->document, "rms_norm_eps") != NULL)
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (jsondoc_get(source->document, keys[i]) != NULL)
            return true;
    return false;
}

static enum status mark_leftover(struct model *model, uint32_t at, bool layer_norms, struct err *err)
{
    static const char *const twins[] = {".module.weight", ".module.bias"};
    struct tensor *tensor = &model->tensor[at];
    const struct slice name = slice_of(tensor->name);
    for (size_t t = 0; t < 2; t++) {
        if (!slice_ends(name, twins[t]))
            continue;
        const struct slice module = {name.data, name.size - strlen(twins[t])};
        if (sibling(model, module, twins[t] + strlen(".module"), &tensor->peer)) {
            tensor->fate = FATE_DROP_TWIN;
            return STATUS_OK;
        }
        tensor->out_name = arena_format(&model->arena, err, "%.*s%s", (int)module.size, module.data, twins[t] + strlen(".module"));
        if (tensor->out_name == NULL)
            return STATUS_LIMIT;
    }
    const struct slice bare = slice_of(tensor->out_name);
    if (!slice_ends(bare, ".bias") || tensor->rank != 1 || !dtype_is_plain_float(tensor->dtype) || layer_norms)
        return STATUS_OK;
    struct slice leaf = {bare.data, bare.size - strlen(".bias")};
    while (memchr(leaf.data, '.', leaf.size) != NULL) {
        const char *dot = memchr(leaf.data, '.', leaf.size);
        leaf = (struct slice){dot + 1, leaf.size - (size_t)(dot + 1 - leaf.data)};
    }
    if (contains(leaf, "norm") || slice_starts(leaf, "ln_"))
        tensor->fate = FATE_DROP_ZERO;
    return STATUS_OK;
}

static enum status refuse_transforms(const struct model *model, const struct description *description, struct err *err)
{
    static const char *const rotations[] = {".heads_rotation", ".kronecker_rotation_m", ".kronecker_rotation_n", ".left_trans", ".right_trans"};
    TRY(shape_refuse_suffix(model, ".div.mul_scale", "an activation scale (R-ACTSCALE)", err));
    for (size_t i = 0; i < sizeof rotations / sizeof rotations[0]; i++)
        TRY(shape_refuse_suffix(model, rotations[i], "a rotation (R-ROT)", err));
    if (description->rotated)
        return err_set(err, STATUS_UNSUPPORTED, description->where, "found \"quarot\": the weights need rotations at run time (R-ROT)");
    return STATUS_OK;
}

static enum status read_described(struct source *source, struct model *model, const struct description *description, struct err *err)
{
    TRY(refuse_transforms(model, description, err));
    TRY(bind_weights(model, description, err));
    TRY(check_siblings_listed(model, description, err));
    for (size_t w = 0; w < model->weight_count; w++)
        TRY(shape_weight(model, &model->weight[w], description, err));
    const bool layer_norms = has_layer_norms(source);
    size_t unlisted = 0;
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        if (model->tensor[i].fate != FATE_CARRY)
            continue;
        TRY(mark_leftover(model, i, layer_norms, err));
        unlisted += description->type[i] == QUANT_UNLISTED;
    }
    if (unlisted > 0)
        TRY(model_add_note(model, err, "%zu float tensors are not in the description; they are carried", unlisted));
    return STATUS_OK;
}

static enum status msmodelslim_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    struct description description = {0};
    TRY(source_tensors(source, model, err));
    enum status status = options->description != NULL
                             ? description_read_file(source->ops, options->description, model, &description, err)
                             : description_read(source, description_name(source), model, &description, err);
    if (status == STATUS_OK)
        status = read_described(source, model, &description, err);
    description_free(&description);
    return status;
}

const struct format msmodelslim_format = {
    .name = "msmodelslim",
    .title = "Ascend msModelSlim, W4A16 and W8A16",
    .can = {.reads = true, .asymmetric = true, .zero_at_zero = true, .mixed = true,
            .scale_dtypes = 1u << DTYPE_F32 | 1u << DTYPE_F16 | 1u << DTYPE_BF16},
    .width = msmodelslim_width,
    .width_count = 2,
    .part = msmodelslim_part,
    .part_count = 3,
    .param_order = ORDER_OUT_GROUP,
    .stem = "quant_model_weights",
    .probe = msmodelslim_probe,
    .read = msmodelslim_read,
};
