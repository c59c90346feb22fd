/* msmodelslim: Huawei msModelSlim W4A16, W8A16, W8A8 and W8A8_DYNAMIC. Read from
 * Ascend/msmodelslim:msmodelslim/pytorch/llm_ptq/llm_ptq_tools/ quant_tools.py and
 * msmodelslim/core/quant_service/modelslim_v1/save/ascendv1.py.
 *
 *   quant_model_description*.json: { "version": "1.0.0", "group_size": 128, ..., "TENSOR": "W4A16" | "W8A16" | "FLOAT" | ... }
 *   X.weight         I8  codes - 2^(bits-1), two's complement:
 *                        W8A16, W8A8, W8A8_DYNAMIC              [out][in]
 *                        W4A16, no version (or "0.0.0")         [out][in]    one int4 a byte
 *                        W4A16, "1.0.0", scales per group       [out/2][in]  low nibble = even out
 *                        W4A16, "1.0.0", scale's last dim is 1  [out][in/2]  low nibble = even in
 *   X.weight_scale   F32, F16 or BF16 [out][group] ([out], stale [out*group, 1], or one value for all)
 *   X.weight_offset  the same shape: zero - 2^(bits-1); not finite where the scale is 0
 *   W8A8 alone:      X.input_scale, X.input_offset [1]; X.deq_scale [out] = input_scale * weight_scale as F32, or its bits in an I64;
 *                    X.quant_bias I32 [out] = rne(bias / deq_scale - input_offset * sum of a row's codes); v1 leaves scale and offset out
 *
 *   weight = (code - zero) * scale. */
#include "base/limits.h"
#include "container/json.h"
#include "formats/description.h"
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/shape.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct part msmodelslim_part[] = {
    {ROLE_CODES, ".weight", true, WHEN_ALWAYS, DTYPE_I8},
    {ROLE_SCALES, ".weight_scale", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_ZEROS, ".weight_offset", true, WHEN_ALWAYS, DTYPE_NONE},
};
static const struct part static_part[] = {
    {ROLE_CODES, ".weight", true, WHEN_ALWAYS, DTYPE_I8},
    {ROLE_SCALES, ".weight_scale", false, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_ZEROS, ".weight_offset", false, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_INPUT_SCALE, ".input_scale", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_INPUT_ZERO, ".input_offset", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_DEQ_SCALE, ".deq_scale", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_QUANT_BIAS, ".quant_bias", true, WHEN_ALWAYS, DTYPE_I32},
};
#define STORED(width, parts, count) .bits = width, .symmetric = ZERO_OFFSET, .order = ORDER_OUT_GROUP, .part = parts, .part_count = count
#define WEIGHT_ONLY(width) STORED(width, msmodelslim_part, 3), .asymmetric = ZERO_OFFSET
static const struct form msmodelslim_form[] = {
    {.name = "W4A16", .span = SPAN_CHANNEL, .variant = VARIANT_PACKED, .codes = LAYOUT_NIBBLE_IN, WEIGHT_ONLY(4)},
    {.name = "W4A16", .span = SPAN_GROUPS, .variant = VARIANT_PACKED, .codes = LAYOUT_NIBBLE_OUT, WEIGHT_ONLY(4)},
    {.name = "W4A16", .variant = VARIANT_UNPACKED, .codes = LAYOUT_BYTE_INT4, WEIGHT_ONLY(4)},
    {.name = "W8A16", .codes = LAYOUT_BYTE_INT8, WEIGHT_ONLY(8)},
    {.name = "W8A8_DYNAMIC", .activation = ACTIVATION_DYNAMIC, .codes = LAYOUT_BYTE_INT8, STORED(8, msmodelslim_part, 3), .asymmetric = ZERO_NEVER},
    {.name = "W8A8", .activation = ACTIVATION_STATIC, .span = SPAN_CHANNEL, .codes = LAYOUT_BYTE_INT8, STORED(8, static_part, 7), .asymmetric = ZERO_NEVER},
};

/* What the types of a description mean for codes. */
static const struct {
    uint8_t bits;
    enum activation activation;
    const struct part *part;
    size_t part_count;
} meaning[QUANT_COUNT] = {
    [QUANT_W4A16] = {4, ACTIVATION_NONE, msmodelslim_part, 3},
    [QUANT_W8A16] = {8, ACTIVATION_NONE, msmodelslim_part, 3},
    [QUANT_W8A8] = {8, ACTIVATION_STATIC, static_part, 7},
    [QUANT_W8A8_DYNAMIC] = {8, ACTIVATION_DYNAMIC, msmodelslim_part, 3},
};

static const char plain_name[] = "quant_model_description.json", typed_name[] = "quant_model_description_";

static const char *description_name(const struct source *source)
{
    return source_has(source, plain_name) ? plain_name : source_match(source, typed_name, ".json");
}

/* Two descriptions of types beside one another leave open which belongs to the weights. */
static enum status check_single(const struct source *source, struct err *err)
{
    const char *first = NULL;
    for (size_t i = 0; !source_has(source, plain_name) && i < source->list.count; i++) {
        const struct slice name = slice_of(source->list.entry[i].name);
        if (!slice_starts(name, typed_name) || !slice_ends(name, ".json"))
            continue;
        if (first != NULL) {
            (void)err_set(err, STATUS_CORRUPT, name.data, "found a description beside %.200s, expected one (R-CONFLICT)", first);
            return err_try(err, "leave only the one that was written with these weights");
        }
        first = name.data;
    }
    return STATUS_OK;
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

/* "X.weight" of a described quantized type, integer-typed, with its siblings, becomes weight X. */
static enum status bind_weight(struct model *model, uint32_t codes, enum quant_type type, struct err *err)
{
    const struct slice name = slice_of(model->tensor[codes].name);
    uint32_t weight;
    char *module = arena_copy(&model->arena, name.data, name.size - strlen(msmodelslim_part[0].suffix), err);
    if (module == NULL)
        return STATUS_LIMIT;
    TRY(model_add_weight(model, module, &weight, err));
    model_claim(model, weight, ROLE_CODES, codes);
    model->weight[weight].spec.activation = meaning[type].activation;
    return parts_siblings(meaning[type].part, meaning[type].part_count, model, weight, err);
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
        if (meaning[type].bits == 0 || !slice_ends(slice_of(tensor->name), msmodelslim_part[0].suffix))
            continue;
        if (tensor->dtype == DTYPE_I8)
            TRY(bind_weight(model, i, type, err));
        else if (tensor->rank >= 2)
            return err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where), "found %s, but the description says %s (I8 codes)",
                           dtype_name(tensor->dtype), description_type_name(type));
    }
    /* What is left must be no part of a quantized weight: norms keep their type in old descriptions and are floats. */
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        const struct tensor *tensor = &model->tensor[i];
        char where[700];
        for (size_t p = 1; p < sizeof static_part / sizeof static_part[0]; p++) {
            if (tensor->fate != FATE_CARRY || !slice_ends(slice_of(tensor->name), static_part[p].suffix))
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
        for (size_t r = 0; r < ROLE_COUNT; r++) {
            const uint32_t tensor = model->weight[w].role[r];
            char where[700];
            if (tensor != MODEL_NONE && description->type[tensor] != description->type[codes])
                return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where),
                               "found type %s in the description, expected %s as its codes have", description_type_name(description->type[tensor]),
                               description_type_name(description->type[codes]));
        }
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

static const char *says(unsigned bits, bool packed)
{
    return bits == 8 ? "one int8 a byte" : packed ? "W4A16 packed two a byte" : "W4A16 with one int4 a byte";
}

/* Static activations: single input scale and offset, and a deq_scale and a quant_bias for each output channel. */
static enum status shape_static(const struct model *model, const struct weight *weight, struct err *err)
{
    static const struct {
        enum role role;
        bool single;
    } rows[] = {{ROLE_INPUT_SCALE, true}, {ROLE_INPUT_ZERO, true}, {ROLE_DEQ_SCALE, false}, {ROLE_QUANT_BIAS, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint32_t at = weight->role[rows[i].role];
        const struct tensor *tensor = &model->tensor[at];
        char where[700], shape[128];
        const bool fits = rows[i].role == ROLE_DEQ_SCALE ? tensor->dtype == DTYPE_F32 || tensor->dtype == DTYPE_I64
                          : rows[i].single               ? dtype_is_plain_float(tensor->dtype)
                                                         : tensor->dtype == DTYPE_I32;
        if (fits && model_elements(tensor) == (rows[i].single ? 1 : weight->out))
            continue;
        return err_set(err, STATUS_CORRUPT, model_where(model, at, where, sizeof where),
                       "found %s %s, which does not belong to W8A8 of %llu output channels (R-SHAPE)", dtype_name(tensor->dtype),
                       model_shape_text(tensor, shape, sizeof shape), (unsigned long long)weight->out);
    }
    return STATUS_OK;
}

/* v1 leaves the scales of static W8A8 out: one for each channel follows from deq_scale, and there are no zeros. */
static enum status shape_without_scales(const struct model *model, struct weight *weight, struct err *err)
{
    const uint32_t at = weight->role[ROLE_CODES];
    const struct tensor *codes = &model->tensor[at];
    if (codes->rank != 2 || model_elements(codes) == 0 || weight->role[ROLE_ZEROS] != MODEL_NONE)
        return err_set(err, STATUS_CORRUPT, weight->name, "found no weight_scale beside codes or offsets that need one (R-SHAPE)");
    weight->out = codes->shape[0];
    weight->in = codes->shape[1];
    weight->groups = 1;
    weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO,
                                 .bits = 8,
                                 .zero_kind = ZERO_MID,
                                 .scale_dtype = DTYPE_F32,
                                 .group = weight->in,
                                 .param_order = ORDER_OUT_GROUP,
                                 .codes_layout = LAYOUT_BYTE_INT8,
                                 .activation = ACTIVATION_STATIC};
    return shape_static(model, weight, err);
}

static enum status shape_weight(const struct model *model, struct weight *weight, const struct description *description, struct err *err)
{
    char where[700];
    const uint32_t at = weight->role[ROLE_CODES];
    const enum quant_type type = description->type[at];
    if (weight->role[ROLE_SCALES] == MODEL_NONE)
        return shape_without_scales(model, weight, err);
    const struct tensor *codes = &model->tensor[at], *scales = &model->tensor[weight->role[ROLE_SCALES]];
    const unsigned bits = meaning[type].bits;
    struct inferred found;
    TRY(shape_expect_float(model, weight->role[ROLE_SCALES], err));
    if (codes->rank != 2 || !infer(codes, scales, bits, description->packed, &found))
        return shapes_contradict(model, weight, says(bits, description->packed), err);
    const uint32_t zeros = weight->role[ROLE_ZEROS];
    if (zeros == MODEL_NONE)
        return err_set(err, STATUS_CORRUPT, weight->name, "found %s.weight_scale but no %s.weight_offset (R-INCOMPLETE)", weight->name, weight->name);
    TRY(shape_expect_float(model, zeros, err));
    if (!same_shape(scales, &model->tensor[zeros]))
        return err_set(err, STATUS_CORRUPT, model_where(model, zeros, where, sizeof where), "found another shape than the scales have (R-SHAPE)");
    const uint64_t group = found.in / found.groups;
    if (description->group_size > 0 && found.groups > 1 && group != (uint64_t)description->group_size)
        return err_set(err, STATUS_CORRUPT, model_where(model, weight->role[ROLE_SCALES], where, sizeof where),
                       "found groups of %llu, but the description says group_size %lld (R-SHAPE)", (unsigned long long)group,
                       (long long)description->group_size);
    weight->out = found.out;
    weight->in = found.in;
    weight->groups = found.groups;
    const bool one = model_elements(scales) == 1 && found.out > 1;
    weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO,
                                 .bits = (uint8_t)bits,
                                 .zero_kind = ZERO_OFFSET,
                                 .scale_dtype = scales->dtype,
                                 .group = group,
                                 .param_order = one ? ORDER_ONE : ORDER_OUT_GROUP,
                                 .codes_layout = (uint16_t)found.layout,
                                 .activation = meaning[type].activation};
    return meaning[type].activation == ACTIVATION_STATIC ? shape_static(model, weight, err) : STATUS_OK;
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
        if (parts_sibling(model, module, twins[t] + strlen(".module"), &tensor->peer)) {
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
    if (options->description == NULL)
        TRY(check_single(source, err));
    TRY(source_tensors(source, model, err));
    enum status status = options->description != NULL ? description_read_file(source->ops, options->description, model, &description, err)
                                                      : description_read(source, description_name(source), model, &description, err);
    if (status == STATUS_OK)
        status = read_described(source, model, &description, err);
    description_free(&description);
    return status;
}

/* --- writing ------------------------------------------------------------------------------------------------------------- */

/* Unpacked files carry their type in their names, and no version (formats/msmodelslim.md section 1.1). */
static enum status msmodelslim_rename(const struct form *form, enum variant variant, struct arena *arena, struct file_names *names, struct err *err)
{
    char type[32];
    size_t i = 0;
    if (variant != VARIANT_UNPACKED)
        return STATUS_OK;
    for (; form->name[i] != '\0' && i + 1 < sizeof type; i++)
        type[i] = (char)tolower((unsigned char)form->name[i]);
    type[i] = '\0';
    names->stem = arena_format(arena, err, "quant_model_weight_%s", type);
    names->side_file = arena_format(arena, err, "quant_model_description_%s.json", type);
    return names->stem == NULL || names->side_file == NULL ? STATUS_LIMIT : STATUS_OK;
}

/* The group size of the weights that have groups; 0: all are per channel. */
static int64_t group_size_of(const struct summary *summary)
{
    for (size_t s = 0; s < summary->scheme_count; s++)
        if (summary->scheme[s].group != -1)
            return summary->scheme[s].group;
    return 0;
}

static enum status msmodelslim_list(const struct summary *summary, const struct tensor_list *listing, struct text *text, struct err *err)
{
    text_format(text, "{\n    \"model_quant_type\": \"%s\",\n", summary->scheme[0].form->name);
    if (summary->variant != VARIANT_UNPACKED)
        text_format(text, "    \"version\": \"1.0.0\",\n    \"group_size\": %lld,\n    \"metadata\": {},\n    \"optional\": {},\n",
                    (long long)group_size_of(summary));
    for (size_t t = 0; t < listing->count; t++) {
        text_string(text, "    ");
        json_quote(text, slice_of(listing->name[t]));
        text_format(text, ": \"%s\"%s\n", listing->form[t] == NULL ? "FLOAT" : listing->form[t]->name, t + 1 < listing->count ? "," : "");
    }
    text_string(text, "}\n");
    return text_check(text, err);
}

const struct format msmodelslim_format = {
    .name = "msmodelslim",
    .title = "Ascend msModelSlim: W4A16, W8A16, W8A8, W8A8_DYNAMIC",
    .can = {.grid = GRID_AFFINE_ZERO,
            .reads = true,
            .writes = true,
            .zero_at_zero = true,
            .mixed_bits = true,
            .groups = GROUPS_SHARED_OR_CHANNEL,
            .scale_dtypes = 1u << DTYPE_F32 | 1u << DTYPE_F16 | 1u << DTYPE_BF16},
    .form = msmodelslim_form,
    .form_count = sizeof msmodelslim_form / sizeof msmodelslim_form[0],
    .names = {.stem = "quant_model_weights", .side_file = "quant_model_description.json"},
    .probe = msmodelslim_probe,
    .read = msmodelslim_read,
    .list = msmodelslim_list,
    .rename = msmodelslim_rename,
};
