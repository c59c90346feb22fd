/* mlx: MLX affine, 2, 3, 4, 5, 6 and 8 bits, and mxfp4. Read from ml-explore/mlx:mlx/ops.cpp (quantize, dequantize), python/mlx/nn/layers/quantized.py
 * and ml-explore/mlx-lm:mlx_lm/utils.py.
 *
 *   X.weight  U32 [out][in*bits/32]           rows of codes, lowest bits first: 4-bit word = in 7 6 5 4 3 2 1 0 (of 8c + these)
 *   X.scales  F32, F16 or BF16 [out][group]   may be negative
 *   X.biases  the same dtype and shape        (X.bias is the layer's own)
 *
 *   weight = scale * code + bias; zero = -bias / scale, where that is an integer.
 *
 *   mode mxfp4 (mlx/ops.cpp, fp_quantize)
 *   X.weight  U32 [out][in/8]   F4, lowest bits first
 *   X.scales  U8 [out][in/32]   E8M0: weight = code * 2^(byte - 127); experts are stacked, [expert][out][...] (mlx_lm/models/switch_layers.py) */
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/shape.h"

#include "base/checked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct part mlx_part[] = {
    {ROLE_CODES, ".weight", true, WHEN_ALWAYS, DTYPE_U32},
    {ROLE_SCALES, ".scales", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_BETA, ".biases", false, WHEN_ALWAYS, DTYPE_NONE}, /* not of mxfp4 */
};
#define MLX_FORM(width) \
    { \
        .name = #width "-bit affine", .bits = width, .codes = LAYOUT_ROW_IN##width, .symmetric = ZERO_BETA, .asymmetric = ZERO_BETA, \
        .order = ORDER_OUT_GROUP, .part = mlx_part, .part_count = 3 \
    }
static const struct part mxfp4_part[] = {
    {ROLE_CODES, ".weight", true, WHEN_ALWAYS, DTYPE_U32},
    {ROLE_SCALES, ".scales", true, WHEN_ALWAYS, DTYPE_U8},
};
static const struct form mlx_form[] = {
    MLX_FORM(2),
    MLX_FORM(3),
    MLX_FORM(4),
    MLX_FORM(5),
    MLX_FORM(6),
    MLX_FORM(8),
    {.name = "mxfp4",
     .grid = GRID_MINIFLOAT,
     .bits = 4,
     .codes = LAYOUT_ROW_IN4,
     .symmetric = ZERO_MID,
     .asymmetric = ZERO_NEVER,
     .part = mxfp4_part,
     .part_count = 2},
};
#define MXFP4_GROUP 32
static const uint16_t mlx_group[] = {32, 64, 128, 0};

/* `quantization`, or its mirror in quantization_config, which names no method. */
static const struct jsondoc *quantization_of(const struct source *source)
{
    const struct jsondoc *own = jsondoc_get(source->document, "quantization"), *mirror = jsondoc_get(source->document, "quantization_config");
    if (jsondoc_get(own, "group_size") != NULL || jsondoc_get(own, "bits") != NULL)
        return own;
    static const char *const foreign[] = {"quant_method", "desc_act", "sym", "checkpoint_format", "zero_point", "version"}; /* of GPTQ and AWQ */
    bool whole = jsondoc_get(mirror, "group_size") != NULL && jsondoc_get(mirror, "bits") != NULL;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        whole = whole && jsondoc_get(mirror, foreign[i]) == NULL;
    return whole ? mirror : NULL;
}

static void mlx_probe(const struct source *source, struct bid *bid)
{
    if (quantization_of(source) == NULL)
        return;
    bid->score = 80;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "config.json: MLX quantization");
}

/* What config.json says of all modules, or of one. */
struct stated {
    int64_t bits, group;
    const char *mode; /* one of the names below */
};
static const char AFFINE[] = "affine", MXFP4[] = "mxfp4";

static const struct form *form_of(int64_t bits)
{
    for (size_t f = 0; f < sizeof mlx_form / sizeof mlx_form[0]; f++)
        if (mlx_form[f].bits == bits && mlx_form[f].grid != GRID_MINIFLOAT)
            return &mlx_form[f];
    return NULL;
}

static enum status wrong(const char *member, const char *where, const char *expected, struct err *err)
{
    return err_set(err, STATUS_CORRUPT, "config.json", "found a wrong value of \"%s\" in %.400s, expected %s", member, where, expected);
}

static enum status take(const struct jsondoc *object, const char *where, struct stated *stated, struct err *err)
{
    static const char *const modes[] = {AFFINE, MXFP4, "mxfp8", "nvfp4"};
    const struct jsondoc *bits = jsondoc_get(object, "bits"), *group = jsondoc_get(object, "group_size"), *mode = jsondoc_get(object, "mode");
    size_t m = 0;
    if (bits != NULL && (!jsondoc_int(bits, &stated->bits) || form_of(stated->bits) == NULL))
        return wrong("bits", where, "2, 3, 4, 5, 6 or 8", err);
    if (group != NULL && (!jsondoc_int(group, &stated->group) || stated->group < 1 || stated->group > INT32_MAX))
        return wrong("group_size", where, "a positive integer", err);
    if (mode == NULL)
        return STATUS_OK;
    while (m < sizeof modes / sizeof modes[0] && (jsondoc_string(mode) == NULL || strcmp(jsondoc_string(mode), modes[m]) != 0))
        m++;
    if (m == sizeof modes / sizeof modes[0])
        return wrong("mode", where, "affine, mxfp4, mxfp8 or nvfp4", err);
    stated->mode = modes[m];
    return STATUS_OK;
}

/* The members of all weights; the others are entries of modules. */
static enum status take_all(const struct jsondoc *object, struct stated *stated, struct err *err)
{
    if (jsondoc_get(object, "bits") == NULL)
        return wrong("bits", "quantization", "2, 3, 4, 5, 6 or 8", err);
    if (jsondoc_get(object, "group_size") == NULL)
        return wrong("group_size", "quantization", "a positive integer", err);
    return take(object, "quantization", stated, err);
}

/* The mirror in quantization_config, which other tools read, must say the same. */
static enum status check_mirror(const struct source *source, const struct stated *stated, struct err *err)
{
    const struct jsondoc *own = jsondoc_get(source->document, "quantization"), *mirror = jsondoc_get(source->document, "quantization_config");
    struct stated other = *stated;
    if (quantization_of(source) != own || mirror == NULL || jsondoc_get(mirror, "quant_method") != NULL)
        return STATUS_OK;
    TRY(take(mirror, "quantization_config", &other, err));
    if (other.bits == stated->bits && other.group == stated->group && strcmp(other.mode, stated->mode) == 0)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, "config.json, quantization_config",
                   "found %lld bits in groups of %lld, but \"quantization\" says %lld bits in groups of %lld (R-CONFLICT)", (long long)other.bits,
                   (long long)other.group, (long long)stated->bits, (long long)stated->group);
}

/* own[weight] is the entry of a weight, NULL if it has none. An entry is an object, false (not quantized) or true; other members without a dot in
 * their name are no entries. */
static enum status take_entries(const struct jsondoc *object, const struct model *model, const struct jsondoc **own, struct err *err)
{
    for (const struct jsondoc *entry = jsondoc_first(object); entry != NULL; entry = jsondoc_next(entry)) {
        const char *name = jsondoc_name(entry);
        struct stated unused;
        uint32_t codes;
        if (strcmp(name, "bits") == 0 || strcmp(name, "group_size") == 0 || strcmp(name, "mode") == 0)
            continue;
        if (jsondoc_kind(entry) == JSONDOC_OBJECT)
            TRY(take(entry, name, &unused, err));
        else if (jsondoc_kind(entry) != JSONDOC_BOOL && (strchr(name, '.') != NULL || strcmp(name, "lm_head") == 0))
            return wrong(name, "quantization", "an object, true or false", err);
        if (parts_sibling(model, slice_of(name), ".weight", &codes) && model->tensor[codes].fate == FATE_CLAIMED)
            own[model->tensor[codes].peer] = entry;
    }
    return STATUS_OK;
}

/* mxfp4: two dimensions, or a stack of experts of three. */
static enum status bind_mxfp4(const struct model *model, struct weight *weight, const struct stated *stated, struct err *err)
{
    const uint32_t codes = weight->role[ROLE_CODES], scales = weight->role[ROLE_SCALES];
    const struct tensor *stored = &model->tensor[codes], *scale = &model->tensor[scales];
    const unsigned last = stored->rank == 3 ? 2 : 1;
    char where[700], shape[128];
    if (weight->role[ROLE_BETA] != MODEL_NONE || stated->bits != 4 || stated->group != MXFP4_GROUP)
        return err_set(err, STATUS_CORRUPT, weight->name,
                       "found mode mxfp4 with %lld bits in groups of %lld%s, expected 4 bits in groups of 32 (R-CONFLICT)", (long long)stated->bits,
                       (long long)stated->group, weight->role[ROLE_BETA] != MODEL_NONE ? " and biases" : "");
    TRY(shape_expect_dtype(model, codes, DTYPE_U32, err));
    TRY(shape_expect_dtype(model, scales, DTYPE_U8, err));
    const bool whole = (stored->rank == 2 || stored->rank == 3) && model_elements(stored) > 0 && stored->shape[last] % (MXFP4_GROUP / 8) == 0;
    bool fits = whole && scale->rank == stored->rank && scale->shape[last] == stored->shape[last] / (MXFP4_GROUP / 8) && stored->shape[0] <= UINT32_MAX;
    for (unsigned d = 0; fits && d < last; d++)
        fits = scale->shape[d] == stored->shape[d];
    if (!fits)
        return err_set(err, STATUS_CORRUPT, model_where(model, whole ? scales : codes, where, sizeof where),
                       "found shape %s, expected codes [out, in/8] with scales [out, in/32], or stacks of them (R-SHAPE)",
                       model_shape_text(whole ? scale : stored, shape, sizeof shape));
    weight->out = last == 2 ? stored->shape[0] * stored->shape[1] : stored->shape[0];
    weight->in = stored->shape[last] * 8;
    weight->groups = scale->shape[last];
    weight->spec = (struct spec){.grid = GRID_MINIFLOAT,
                                 .bits = 4,
                                 .zero_kind = ZERO_MID,
                                 .param_order = ORDER_OUT_GROUP,
                                 .scale_dtype = DTYPE_F8_E8M0,
                                 .group = MXFP4_GROUP,
                                 .experts = last == 2 ? (uint32_t)stored->shape[0] : 0,
                                 .switched = last == 2,
                                 .codes_layout = LAYOUT_ROW_IN4};
    return STATUS_OK;
}

static enum status bind_weight(const struct model *model, struct weight *weight, const struct jsondoc *own, struct stated stated, struct err *err)
{
    const uint32_t codes = weight->role[ROLE_CODES], scales = weight->role[ROLE_SCALES];
    const struct tensor *stored = &model->tensor[codes], *scale = &model->tensor[scales];
    char where[700], shape[128];
    bool quantized = true;
    if (jsondoc_bool(own, &quantized) && !quantized) {
        (void)err_set(err, STATUS_CORRUPT, weight->name, "found quantized tensors, but config.json says false for this module (R-CONFLICT)");
        return err_try(err, "use the config.json that was written with these weights");
    }
    if (jsondoc_kind(own) == JSONDOC_OBJECT && scale->dtype != DTYPE_U8) /* an entry that names no mode means affine, mlx.nn's default */
        stated.mode = AFFINE;
    TRY(take(own, weight->name, &stated, err));
    if (strcmp(stated.mode, MXFP4) == 0)
        return bind_mxfp4(model, weight, &stated, err);
    if (strcmp(stated.mode, AFFINE) != 0) {
        (void)err_set(err, STATUS_UNSUPPORTED, weight->name, "found %lld-bit MLX codes of mode %s, expected affine or mxfp4", (long long)stated.bits,
                      stated.mode);
        return err_try(err, "mlx_lm.convert --q-mode affine, from the float model");
    }
    if (weight->role[ROLE_BETA] == MODEL_NONE) {
        (void)err_set(err, STATUS_CORRUPT, weight->name, "found %s.weight but no %s.biases (R-INCOMPLETE)", weight->name, weight->name);
        return err_try(err, "fetch the checkpoint again: a shard may be missing");
    }
    TRY(shape_expect_dtype(model, codes, DTYPE_U32, err));
    TRY(shape_expect_float(model, scales, err));
    if (stored->rank != 2 || scale->rank != 2 || model_elements(stored) == 0) {
        const enum status status = stored->rank == 3 ? STATUS_UNSUPPORTED : STATUS_CORRUPT;
        return err_set(err, status, model_where(model, codes, where, sizeof where), "found shape %s, expected two dimensions (R-SHAPE)",
                       model_shape_text(stored, shape, sizeof shape));
    }
    weight->out = stored->shape[0];
    weight->in = stored->shape[1] * 32 / (uint64_t)stated.bits;
    weight->groups = scale->shape[1];
    weight->spec = (struct spec){.grid = GRID_AFFINE_BETA,
                                 .bits = (uint8_t)stated.bits,
                                 .zero_kind = ZERO_BETA,
                                 .scale_dtype = scale->dtype,
                                 .group = (uint64_t)stated.group,
                                 .param_order = ORDER_OUT_GROUP,
                                 .codes_layout = (uint16_t)form_of(stated.bits)->codes};
    if (stored->shape[1] * 32 % (uint64_t)stated.bits != 0 || weight->in % (uint64_t)stated.group != 0 ||
        weight->in / (uint64_t)stated.group != weight->groups)
        return err_set(err, STATUS_CORRUPT, model_where(model, scales, where, sizeof where),
                       "found shape %s, which is not %llu columns in groups of %lld (R-SHAPE)", model_shape_text(scale, shape, sizeof shape),
                       (unsigned long long)weight->in, (long long)stated.group);
    TRY(shape_expect(model, scales, weight->out, weight->groups, err));
    TRY(shape_expect_dtype(model, weight->role[ROLE_BETA], scale->dtype, err));
    return shape_expect(model, weight->role[ROLE_BETA], weight->out, weight->groups, err);
}

/* Every "X.scales" makes a weight of its siblings: "X.weight" alone may be a float. */
static enum status bind_weights(struct model *model, struct err *err)
{
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        const struct slice name = slice_of(model->tensor[i].name);
        uint32_t codes, weight;
        if (!slice_ends(name, ".scales") || name.size == strlen(".scales"))
            continue;
        char *module = arena_copy(&model->arena, name.data, name.size - strlen(".scales"), err);
        if (module == NULL)
            return STATUS_LIMIT;
        if (!parts_sibling(model, slice_of(module), ".weight", &codes)) {
            (void)err_set(err, STATUS_CORRUPT, module, "found %s.scales but no %s.weight (R-INCOMPLETE)", module, module);
            return err_try(err, "fetch the checkpoint again: a shard may be missing");
        }
        TRY(model_add_weight(model, module, &weight, err));
        model_claim(model, weight, ROLE_CODES, codes);
        TRY(parts_siblings(mlx_part, sizeof mlx_part / sizeof mlx_part[0], model, weight, err));
    }
    return STATUS_OK;
}

/* What has lost its scales must not pass for a tensor of its own. */
static enum status refuse_strays(const struct model *model, struct err *err)
{
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        char where[700];
        const struct tensor *tensor = &model->tensor[i];
        if (tensor->fate == FATE_CARRY && (tensor->dtype == DTYPE_U32 || slice_ends(slice_of(tensor->name), ".biases")))
            return err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where),
                           "found a part of a quantized weight without its scales (R-INCOMPLETE)");
    }
    return STATUS_OK;
}

static enum status mlx_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    (void)options;
    struct stated stated = {.mode = AFFINE};
    const struct jsondoc *object = quantization_of(source);
    TRY(take_all(object, &stated, err));
    TRY(check_mirror(source, &stated, err));
    TRY(source_tensors(source, model, err));
    TRY(bind_weights(model, err));
    TRY(refuse_strays(model, err));
    const struct jsondoc **own = mem_alloc(model->weight_count + 1, sizeof *own, err);
    if (own == NULL)
        return STATUS_LIMIT;
    enum status status = take_entries(object, model, own, err);
    for (size_t w = 0; status == STATUS_OK && w < model->weight_count; w++)
        status = bind_weight(model, &model->weight[w], own[w], stated, err);
    free(own);
    return status;
}

static const char *mode_of(const struct form *form)
{
    return form != NULL && form->grid == GRID_MINIFLOAT ? MXFP4 : AFFINE;
}

static void mlx_describe(const struct summary *summary, struct jsondoc *config)
{
    jsondoc_add_int(config, "group_size", summary->group);
    jsondoc_add_int(config, "bits", summary->bits);
    jsondoc_add_string(config, "mode", mode_of(summary->form));
    for (size_t i = 0; i < summary->mixed_count; i++) {
        struct jsondoc *own = jsondoc_add_object(config, summary->mixed[i].name);
        jsondoc_add_int(own, "group_size", summary->mixed[i].group);
        jsondoc_add_int(own, "bits", summary->mixed[i].bits);
        if (mode_of(summary->mixed[i].form) != mode_of(summary->form))
            jsondoc_add_string(own, "mode", mode_of(summary->mixed[i].form));
    }
    for (size_t i = 0; i < summary->dense_count; i++)
        jsondoc_add_bool(config, summary->dense[i], false);
}

static const char *const mlx_keys[] = {"quantization", "quantization_config", NULL};

const struct format mlx_format = {
    .name = "mlx",
    .title = "Apple MLX, affine and mxfp4",
    .can = {.grid = GRID_AFFINE_BETA,
            .reads = true,
            .writes = true,
            .zero_at_zero = true,
            .stacks = true,
            .mixed_bits = true,
            .groups = GROUPS_SHARED,
            .group_size = mlx_group,
            .scale_dtypes = 1u << DTYPE_F32 | 1u << DTYPE_F16 | 1u << DTYPE_BF16},
    .form = mlx_form,
    .form_count = sizeof mlx_form / sizeof mlx_form[0],
    .names = {.stem = "model"},
    .probe = mlx_probe,
    .read = mlx_read,
    .describe = mlx_describe,
    .config_keys = mlx_keys,
    .metadata = "mlx",
};
