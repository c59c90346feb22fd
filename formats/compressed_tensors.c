/* compressed-tensors: pack-quantized, int-quantized, float-quantized (FP8) and mxfp4-pack-quantized. Read from vllm-project/compressed-tensors:
 * src/compressed_tensors/compressors/{pack_quantized,naive_quantized}, quantization/lifecycle/forward.py and utils/match.py.
 *
 *   pack-quantized
 *     weight_packed      I32 [out][in*bits/32]     rows of codes, lowest bits first: 4-bit word = in 7 6 5 4 3 2 1 0 (of 8c + these);
 *                                                  the last word of a row ends in zero bits. Before 0.18.0 fields of 3, 5, 6 and 7 bits
 *                                                  never cross a word
 *     weight_scale       F32, F16 or BF16 [out][group], [out][1] per channel, [1] per tensor
 *     weight_zero_point  I32 [out*bits/32][group]  words along out, in asymmetric weights; before 0.9.4 I8 [out][group], signed
 *     weight_shape       I64 [2] = out, in
 *     weight_g_idx       I32 [in]                  the group of each column where it is not k / group_size; a -1 in it means that it is
 *                                                  not set
 *   int-quantized
 *     weight             I8 [out][in]              codes - 2^(bits-1)
 *     weight_scale       as above; weight_zero_point I8, the same shape
 *   mxfp4-pack-quantized (compressors/mxfp4/base.py)
 *     weight_packed      U8 [out][in/2]            F4: byte j of a row: bits 3..0 = in 2j, 7..4 = in 2j+1
 *     weight_scale       U8 [out][in/32]           E8M0: weight = code * 2^(byte - 127)
 *   all but the last, with static activations
 *     input_scale [1], input_zero_point I8 [1]
 *
 *   weight = (code - zero) * scale. */
#include "formats/ctconfig.h"
#include "formats/ctdescribe.h"
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/shape.h"

#include "base/checked.h"

#include <stdio.h>
#include <string.h>

#define MXFP4_GROUP 32

static const struct part pack_part[] = {
    {ROLE_CODES, ".weight_packed", true, WHEN_ALWAYS, DTYPE_I32},     {ROLE_SCALES, ".weight_scale", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_ZEROS, ".weight_zero_point", false, WHEN_ZEROS, DTYPE_I32}, {ROLE_SHAPE, ".weight_shape", true, WHEN_ALWAYS, DTYPE_I64},
    {ROLE_GROUP_OF, ".weight_g_idx", false, WHEN_ORDERED, DTYPE_I32},
};
static const struct part int_part[] = {
    {ROLE_CODES, ".weight", true, WHEN_ALWAYS, DTYPE_I8},
    {ROLE_SCALES, ".weight_scale", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_ZEROS, ".weight_zero_point", false, WHEN_ZEROS, DTYPE_I8},
    {ROLE_INPUT_SCALE, ".input_scale", false, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_INPUT_ZERO, ".input_zero_point", false, WHEN_NONZERO, DTYPE_I8},
};
static const struct part float_part[] = {
    {ROLE_CODES, ".weight", true, WHEN_ALWAYS, DTYPE_F8_E4M3},
    {ROLE_SCALES, ".weight_scale", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_INPUT_SCALE, ".input_scale", false, WHEN_ALWAYS, DTYPE_NONE},
};
static const struct part mxfp4_part[] = {
    {ROLE_CODES, ".weight_packed", true, WHEN_ALWAYS, DTYPE_U8},
    {ROLE_SCALES, ".weight_scale", true, WHEN_ALWAYS, DTYPE_U8},
};
#define PACKED(width) \
    { \
        .name = "pack-quantized", .bits = width, .codes = LAYOUT_ROW_IN##width, .zeros = LAYOUT_ROW_OUT##width, .symmetric = ZERO_MID, \
        .asymmetric = ZERO_CODES, .order = ORDER_OUT_GROUP, .part = pack_part, .part_count = 5 \
    }
#define INTEGERS(width, kind, parts) \
    { \
        .name = "int-quantized", .bits = width, .activation = kind, .codes = LAYOUT_BYTE_INT##width, .zeros = LAYOUT_BYTE_INT##width, \
        .symmetric = ZERO_MID, .asymmetric = ZERO_CODES, .order = ORDER_OUT_GROUP, .part = int_part, .part_count = parts \
    }
#define FLOATS(kind, parts) \
    { \
        .name = "float-quantized", .grid = GRID_MINIFLOAT, .bits = 8, .activation = kind, .codes = LAYOUT_BYTE_INT8, .symmetric = ZERO_MID, \
        .asymmetric = ZERO_NEVER, .part = float_part, .part_count = parts \
    }
#define MXFP4(kind) \
    { \
        .name = "mxfp4-pack-quantized", .grid = GRID_MINIFLOAT, .bits = 4, .activation = kind, .codes = LAYOUT_ROW_IN4, .symmetric = ZERO_MID, \
        .asymmetric = ZERO_NEVER, .part = mxfp4_part, .part_count = 2 \
    }
static const struct form ct_form[] = {
    PACKED(1),
    PACKED(2),
    PACKED(3),
    PACKED(4),
    PACKED(5),
    PACKED(6),
    PACKED(7),
    PACKED(8),
    INTEGERS(8, ACTIVATION_DYNAMIC, 3),
    INTEGERS(8, ACTIVATION_STATIC, 5),
    INTEGERS(4, ACTIVATION_DYNAMIC, 3),
    INTEGERS(4, ACTIVATION_STATIC, 5),
    FLOATS(ACTIVATION_NONE, 2),
    FLOATS(ACTIVATION_DYNAMIC, 2),
    FLOATS(ACTIVATION_STATIC, 3),
    MXFP4(ACTIVATION_NONE),
    MXFP4(ACTIVATION_DYNAMIC),
};

static void compressed_tensors_probe(const struct source *source, struct bid *bid)
{
    const struct jsondoc *config = source_quantization(source);
    const char *method = jsondoc_string(jsondoc_get(config, "quant_method")), *format = jsondoc_string(jsondoc_get(config, "format"));
    const bool older = method == NULL && jsondoc_get(source->document, "compression_config") != NULL && jsondoc_get(config, "config_groups") != NULL;
    if (!older && method == NULL && jsondoc_get(config, "config_groups") != NULL) {
        *bid = (struct bid){.score = BID_ASKED, .evidence = "config.json: config_groups without quant_method"};
        return;
    }
    if (!older && (method == NULL || strcmp(method, "compressed-tensors") != 0))
        return;
    bid->score = 90;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "config.json: compressed-tensors, format \"%.40s\"", format == NULL ? "" : format);
}

/* --- which tensors are a weight -------------------------------------------------------------------------------------------------- */

/* "X.weight" of I8 or F8_E4M3 beside "X.weight_scale" is an int-quantized or float-quantized weight; other dtypes there are another format's. */
static enum status bind_integers(struct model *model, struct err *err)
{
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        const struct slice name = slice_of(model->tensor[i].name);
        char where[700];
        uint32_t scale, weight;
        if (model->tensor[i].fate != FATE_CARRY || !slice_ends(name, ".weight"))
            continue;
        const struct slice module = {name.data, name.size - strlen(".weight")};
        if (!parts_sibling(model, module, ".weight_scale", &scale))
            continue;
        if (model->tensor[scale].fate != FATE_CARRY)
            return err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where), "found it beside %.*s.weight_packed, expected one of the two",
                           (int)module.size, module.data);
        if (model->tensor[i].dtype != DTYPE_I8 && model->tensor[i].dtype != DTYPE_F8_E4M3) {
            (void)err_set(err, STATUS_UNSUPPORTED, model_where(model, i, where, sizeof where),
                          "found %s codes, expected I8 or F8_E4M3: compressed-tensors is read as pack-quantized, int-quantized and float-quantized",
                          dtype_name(model->tensor[i].dtype));
            return err_try(err, "repaq check says which engines take it as it is");
        }
        char *copy = arena_copy(&model->arena, module.data, module.size, err);
        if (copy == NULL)
            return STATUS_LIMIT;
        TRY(model_add_weight(model, copy, &weight, err));
        for (size_t p = 0; p < sizeof int_part / sizeof int_part[0]; p++) {
            uint32_t part;
            if (parts_sibling(model, module, int_part[p].suffix, &part))
                model_claim(model, weight, int_part[p].role, part);
        }
    }
    return STATUS_OK;
}

/* Parts that no weight claimed belong to codes that are missing. */
static enum status refuse_strays(const struct model *model, struct err *err)
{
    static const char *const suffixes[] = {".weight_scale", ".weight_zero_point", ".weight_g_idx", ".weight_shape"};
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        char where[700];
        for (size_t s = 0; s < sizeof suffixes / sizeof suffixes[0]; s++) {
            if (model->tensor[i].fate != FATE_CARRY || !slice_ends(slice_of(model->tensor[i].name), suffixes[s]))
                continue;
            (void)err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where),
                          "found a part of a quantized weight without its codes (R-INCOMPLETE)");
            return err_try(err, "fetch the checkpoint again: a shard may be missing");
        }
    }
    return STATUS_OK;
}

/* --- shapes ------------------------------------------------------------------------------------------------------------------------ */

static enum status bad_shape(const struct model *model, uint32_t tensor, const struct weight *weight, struct err *err)
{
    char where[700], shape[128];
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where),
                   "found shape %s, which does not belong to %llu x %llu in groups of %llu at %u bits (R-SHAPE)",
                   model_shape_text(&model->tensor[tensor], shape, sizeof shape), (unsigned long long)weight->out, (unsigned long long)weight->in,
                   (unsigned long long)weight->spec.group, weight->spec.bits);
}

/* weight_shape: two integers of any width; no dtype is wider than 64 bits. */
static enum status read_shape(struct source *source, const struct model *model, struct weight *weight, struct err *err)
{
    const uint32_t at = weight->role[ROLE_SHAPE];
    const struct tensor *tensor = &model->tensor[at];
    const size_t size = dtype_bits(tensor->dtype) / 8;
    uint8_t bytes[16] = {0};
    uint64_t value[2] = {0};
    char where[700];
    if (dtype_is_float(tensor->dtype) || model_elements(tensor) != 2)
        return err_set(err, STATUS_CORRUPT, model_where(model, at, where, sizeof where), "found %s, expected two integers", dtype_name(tensor->dtype));
    TRY(source_tensor(source, model, at, bytes, 2 * size, err));
    for (size_t d = 0; d < 2; d++)
        memcpy(&value[d], bytes + d * size, size); /* little-endian, as this machine is */
    if (value[0] == 0 || value[1] == 0 || value[0] > INT64_MAX / 8 || value[1] > INT64_MAX / 8)
        return err_set(err, STATUS_CORRUPT, model_where(model, at, where, sizeof where), "found out %llu and in %llu, expected positive ones",
                       (unsigned long long)value[0], (unsigned long long)value[1]);
    weight->out = value[0];
    weight->in = value[1];
    return STATUS_OK;
}

/* The scales' shape gives the groups; the scheme's group size says how wide they are. */
static enum status shape_scales(const struct model *model, struct weight *weight, const struct ct_scheme *scheme, struct err *err)
{
    const uint32_t at = weight->role[ROLE_SCALES];
    const struct tensor *scales = &model->tensor[at];
    TRY(shape_expect_float(model, at, err));
    weight->spec.scale_dtype = scales->dtype;
    weight->spec.group = scheme->strategy == CT_GROUP && (uint64_t)scheme->group < weight->in ? (uint64_t)scheme->group : weight->in;
    weight->groups = checked_div_up(weight->in, weight->spec.group);
    weight->spec.param_order = model_elements(scales) == 1 && weight->out * weight->groups > 1 ? ORDER_ONE : ORDER_OUT_GROUP;
    const bool one = model_elements(scales) == 1 && weight->groups == 1;
    const bool rows = scales->rank == 1 && weight->groups == 1 && scales->shape[0] == weight->out;
    return one || rows || model_is_2d(scales, weight->out, weight->groups) ? STATUS_OK : bad_shape(model, at, weight, err);
}

/* The layout of b-bit codes along a row, or zeros along a column, by the number of words: dense, or with spare bits (before 0.18.0). */
static bool choose_layout(uint64_t words, uint64_t codes, enum layout_id dense, enum layout_id spare, bool older, uint16_t *layout)
{
    const bool fits_dense = words == layout_words(layout_row(dense), codes);
    const bool fits_spare = spare != dense && words == layout_words(layout_row(spare), codes);
    *layout = (uint16_t)(fits_spare && (older || !fits_dense) ? spare : dense);
    return fits_dense || fits_spare;
}

/* Rows of both kinds for one width; a width whose fields fill words has one. */
struct ct_layouts {
    enum layout_id row, spare_row, column, spare_column;
};
static struct ct_layouts layouts_of(unsigned bits)
{
#define SAME(b) \
    { \
        LAYOUT_ROW_IN##b, LAYOUT_ROW_IN##b, LAYOUT_ROW_OUT##b, LAYOUT_ROW_OUT##b \
    }
#define BOTH(b) \
    { \
        LAYOUT_ROW_IN##b, LAYOUT_SPARE_IN##b, LAYOUT_ROW_OUT##b, LAYOUT_SPARE_OUT##b \
    }
    static const struct ct_layouts layouts[] = {SAME(1), SAME(2), BOTH(3), SAME(4), BOTH(5), BOTH(6), BOTH(7), SAME(8)};
#undef SAME
#undef BOTH
    return layouts[bits - 1];
}

static enum status shape_zeros(const struct model *model, struct weight *weight, bool older, struct err *err)
{
    const uint32_t at = weight->role[ROLE_ZEROS];
    const unsigned bits = weight->spec.bits;
    if (at == MODEL_NONE)
        return STATUS_OK;
    const struct tensor *zeros = &model->tensor[at];
    const struct ct_layouts layouts = layouts_of(bits);
    weight->spec.zero_kind = ZERO_CODES;
    const bool single = weight->spec.param_order == ORDER_ONE; /* one scale: then one zero, a byte */
    if (zeros->dtype == DTYPE_I32 && !single && zeros->rank == 2 && zeros->shape[1] == weight->groups &&
        choose_layout(zeros->shape[0], weight->out, layouts.column, layouts.spare_column, older, &weight->spec.zeros_layout))
        return STATUS_OK;
    const bool signed_bytes = zeros->dtype == DTYPE_I8;
    weight->spec.zeros_layout = bits == 4 ? LAYOUT_BYTE_INT4 : LAYOUT_BYTE_INT8;
    if (signed_bytes && single)
        return model_elements(zeros) == 1 ? STATUS_OK : bad_shape(model, at, weight, err);
    if (signed_bytes && (model_is_2d(zeros, weight->out, weight->groups) || (zeros->rank == 1 && weight->groups == 1 && zeros->shape[0] == weight->out)))
        return STATUS_OK;
    return bad_shape(model, at, weight, err);
}

static enum status shape_packed(struct source *source, const struct model *model, struct weight *weight, const struct ct_scheme *scheme, bool older,
                                struct err *err)
{
    const uint32_t at = weight->role[ROLE_CODES];
    const struct ct_layouts layouts = layouts_of(scheme->bits);
    TRY(shape_expect_dtype(model, at, DTYPE_I32, err));
    TRY(read_shape(source, model, weight, err));
    TRY(shape_scales(model, weight, scheme, err));
    const struct tensor *codes = &model->tensor[at];
    if (codes->rank == 2 && codes->shape[0] == weight->out &&
        choose_layout(codes->shape[1], weight->in, layouts.row, layouts.spare_row, older, &weight->spec.codes_layout))
        return STATUS_OK;
    return bad_shape(model, at, weight, err);
}

static enum status shape_integers(const struct model *model, struct weight *weight, const struct ct_scheme *scheme, struct err *err)
{
    const uint32_t at = weight->role[ROLE_CODES];
    const struct tensor *codes = &model->tensor[at];
    char where[700], shape[128];
    TRY(shape_expect_dtype(model, at, DTYPE_I8, err));
    if (codes->rank != 2 || model_elements(codes) == 0)
        return err_set(err, STATUS_CORRUPT, model_where(model, at, where, sizeof where), "found shape %s, expected two dimensions (R-SHAPE)",
                       model_shape_text(codes, shape, sizeof shape));
    if (scheme->bits != 4 && scheme->bits != 8)
        return err_set(err, STATUS_UNSUPPORTED, weight->name, "found int-quantized codes of %u bits, expected 4 or 8", scheme->bits);
    weight->out = codes->shape[0];
    weight->in = codes->shape[1];
    weight->spec.codes_layout = scheme->bits == 4 ? LAYOUT_BYTE_INT4 : LAYOUT_BYTE_INT8;
    return shape_scales(model, weight, scheme, err);
}

/* --- activations ------------------------------------------------------------------------------------------------------------------- */

static enum status check_activation(const struct model *model, struct weight *weight, struct err *err)
{
    const uint32_t scale = weight->role[ROLE_INPUT_SCALE], zero = weight->role[ROLE_INPUT_ZERO];
    uint32_t bias;
    char where[700];
    if (weight->spec.activation == ACTIVATION_STATIC && scale == MODEL_NONE)
        return err_set(err, STATUS_CORRUPT, weight->name, "found static activations in config.json, but no %s.input_scale", weight->name);
    if (weight->spec.activation != ACTIVATION_STATIC && (scale != MODEL_NONE || zero != MODEL_NONE))
        return err_set(err, STATUS_CORRUPT, model_where(model, scale != MODEL_NONE ? scale : zero, where, sizeof where),
                       "found a parameter of static activations, but config.json says %s (R-CONFLICT)",
                       weight->spec.activation == ACTIVATION_DYNAMIC ? "dynamic ones" : "none");
    if (scale == MODEL_NONE)
        return STATUS_OK;
    if (parts_sibling(model, slice_of(weight->name), ".bias", &bias) && model_elements(&model->tensor[bias]) == weight->out &&
        dtype_is_plain_float(model->tensor[bias].dtype))
        weight->role[ROLE_LAYER_BIAS] = bias;
    TRY(shape_expect_float(model, scale, err));
    if (model_elements(&model->tensor[scale]) != 1 ||
        (zero != MODEL_NONE && (model_elements(&model->tensor[zero]) != 1 || model->tensor[zero].dtype != DTYPE_I8)))
        return err_set(err, STATUS_CORRUPT, model_where(model, scale, where, sizeof where), "found no single input scale with an I8 zero point (R-SHAPE)");
    return STATUS_OK;
}

/* FP8 with a scale per tensor, channel or block. */
static enum status shape_floats(const struct model *model, struct weight *weight, const struct ct_scheme *scheme, struct err *err)
{
    const uint32_t at = weight->role[ROLE_CODES];
    const struct tensor *codes = &model->tensor[at];
    char where[700], shape[128];
    if (codes->rank != 2 || model_elements(codes) == 0)
        return err_set(err, STATUS_CORRUPT, model_where(model, at, where, sizeof where), "found shape %s, expected two dimensions (R-SHAPE)",
                       model_shape_text(codes, shape, sizeof shape));
    if (weight->role[ROLE_ZEROS] != MODEL_NONE)
        return err_set(err, STATUS_CORRUPT, model_where(model, weight->role[ROLE_ZEROS], where, sizeof where),
                       "found zero points of float codes, expected none");
    weight->out = codes->shape[0];
    weight->in = codes->shape[1];
    weight->spec =
        (struct spec){.grid = GRID_MINIFLOAT, .bits = 8, .zero_kind = ZERO_MID, .activation = scheme->activation, .codes_layout = LAYOUT_BYTE_INT8};
    TRY(shape_blocks(model, weight, scheme->block, err));
    return check_activation(model, weight, err);
}

static enum status bad_mxfp4(const struct model *model, uint32_t tensor, struct err *err)
{
    char where[700], shape[128];
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where),
                   "found %s %s, expected U8 codes [out, in/2] with U8 scales [out, in/32] (R-SHAPE)", dtype_name(model->tensor[tensor].dtype),
                   model_shape_text(&model->tensor[tensor], shape, sizeof shape));
}

/* FP4 in groups of 32 with an exponent each. */
static enum status shape_mxfp4(const struct model *model, struct weight *weight, const struct ctconfig *config, const struct ct_scheme *scheme,
                               struct err *err)
{
    const uint32_t at = weight->role[ROLE_CODES], exponents = weight->role[ROLE_SCALES];
    const struct tensor *codes = &model->tensor[at];
    if (config->version[0] == 0 && config->version[1] == 13) {
        (void)err_set(err, STATUS_UNSUPPORTED, weight->name, "found MXFP4 of compressed-tensors 0.13, whose scales are a quarter of what they should be");
        return err_try(err, "quantize again with compressed-tensors 0.14 or later");
    }
    for (int role = 0; role < ROLE_COUNT; role++)
        if (weight->role[role] != MODEL_NONE && role != ROLE_CODES && role != ROLE_SCALES)
            return err_set(err, STATUS_CORRUPT, weight->name, "found %s of MXFP4 codes, expected none", model_role_name((enum role)role));
    if (codes->dtype != DTYPE_U8 || codes->rank != 2 || model_elements(codes) == 0 || codes->shape[1] % (MXFP4_GROUP / 2) != 0)
        return bad_mxfp4(model, at, err);
    weight->out = codes->shape[0];
    weight->in = 2 * codes->shape[1];
    weight->groups = weight->in / MXFP4_GROUP;
    if (model->tensor[exponents].dtype != DTYPE_U8 || !model_is_2d(&model->tensor[exponents], weight->out, weight->groups))
        return bad_mxfp4(model, exponents, err);
    weight->spec = (struct spec){.grid = GRID_MINIFLOAT,
                                 .bits = 4,
                                 .zero_kind = ZERO_MID,
                                 .param_order = ORDER_OUT_GROUP,
                                 .scale_dtype = DTYPE_F8_E8M0,
                                 .group = MXFP4_GROUP,
                                 .activation = scheme->activation,
                                 .codes_layout = LAYOUT_ROW_IN4};
    return STATUS_OK;
}

static enum status bind_weight(struct source *source, struct model *model, struct weight *weight, const struct ctconfig *config, struct err *err)
{
    const struct ct_scheme *scheme;
    bool ignored;
    TRY(ctconfig_find(config, weight->name, &scheme, &ignored, err));
    if (ignored || scheme == NULL) {
        (void)err_set(err, STATUS_CORRUPT, weight->name, "found quantized tensors, but config.json %s (R-CONFLICT)",
                      ignored ? "ignores this module" : "has no group whose targets name this module");
        return err_try(err, "use the config.json that was written with these weights");
    }
    const bool packed = weight->role[ROLE_SHAPE] != MODEL_NONE;
    if (scheme->floats && scheme->bits == 8 && !packed && model->tensor[weight->role[ROLE_CODES]].dtype == DTYPE_F8_E4M3)
        return shape_floats(model, weight, scheme, err);
    if (ctconfig_is_mxfp4(scheme))
        return shape_mxfp4(model, weight, config, scheme, err);
    if (scheme->floats)
        return err_set(err, STATUS_UNSUPPORTED, weight->name, "found %u-bit float weights (%s), expected integers of 1 to 8 bits, FP8 or MXFP4",
                       scheme->bits, scheme->format);
    if (scheme->strategy == CT_BLOCK)
        return err_set(err, STATUS_UNSUPPORTED, weight->name, "found integer weights in two-dimensional blocks, expected groups, channels or one scale");
    const bool older = config->version[0] == 0 && config->version[1] < 18 && config->version[0] + config->version[1] + config->version[2] > 0;
    weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO, .bits = (uint8_t)scheme->bits, .zero_kind = ZERO_MID, .activation = scheme->activation};
    weight->claim = scheme->symmetric ? CLAIM_SYMMETRIC : CLAIM_NONE;
    weight->unset_group_of = true;
    TRY(packed ? shape_packed(source, model, weight, scheme, older, err) : shape_integers(model, weight, scheme, err));
    TRY(shape_zeros(model, weight, older, err));
    if (!scheme->symmetric && weight->role[ROLE_ZEROS] == MODEL_NONE) {
        (void)err_set(err, STATUS_CORRUPT, weight->name, "found no %s.weight_zero_point, but config.json says symmetric: false (R-INCOMPLETE)",
                      weight->name);
        return err_try(err, "fetch the checkpoint again: a shard may be missing");
    }
    TRY(shape_group_of(model, weight, err));
    return check_activation(model, weight, err);
}

static enum status compressed_tensors_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    struct ctconfig config = {0};
    (void)options;
    enum status status = ctconfig_read(source, &config, err);
    if (status == STATUS_OK)
        status = source_tensors(source, model, err);
    if (status == STATUS_OK)
        status = parts_bind(pack_part, 1, model, err);
    for (uint32_t w = 0; status == STATUS_OK && w < model->weight_count; w++) {
        const bool bytes = model->tensor[model->weight[w].role[ROLE_CODES]].dtype == DTYPE_U8; /* floats of 4 bits */
        status = bytes ? parts_siblings(mxfp4_part, sizeof mxfp4_part / sizeof mxfp4_part[0], model, w, err)
                       : parts_siblings(pack_part, sizeof pack_part / sizeof pack_part[0], model, w, err);
        if (status == STATUS_OK) /* and what follows the zero points there: static activations */
            status = parts_siblings(int_part + 2, 3, model, w, err);
    }
    if (status == STATUS_OK)
        status = bind_integers(model, err);
    if (status == STATUS_OK)
        status = refuse_strays(model, err);
    for (size_t w = 0; status == STATUS_OK && w < model->weight_count; w++)
        status = bind_weight(source, model, &model->weight[w], &config, err);
    ctconfig_free(&config);
    return status;
}

const struct format compressed_tensors_format = {
    .name = "compressed-tensors",
    .title = "llm-compressor and vLLM: pack-quantized integers, int-quantized W8A8, FP8, MXFP4",
    .can = {.grid = GRID_AFFINE_ZERO,
            .reads = true,
            .writes = true,
            .warn_order = "compressed-tensors from 0.19 on, and transformers with it, refuses actorder \"group\" (vLLM takes it)",
            .zero_at_zero = true,
            .act_order = true,
            .even_groups = true,
            .short_group = true,
            .mixed_bits = true,
            .groups = GROUPS_EACH,
            .scale_dtypes = 1u << DTYPE_F32 | 1u << DTYPE_F16 | 1u << DTYPE_BF16},
    .form = ct_form,
    .form_count = sizeof ct_form / sizeof ct_form[0],
    .zero_rule = ZERO_PLAIN,
    .claim = "symmetric: true",
    .names = {.stem = "model"},
    .probe = compressed_tensors_probe,
    .read = compressed_tensors_read,
    .describe = ctdescribe_config,
};
