/* bitsandbytes: NF4, FP4 and LLM.int8(), read only. Read from bitsandbytes-foundation/bitsandbytes:bitsandbytes/functional.py (QuantState) and
 * bitsandbytes/nn/modules.py.
 *
 *   4 bits   X.weight                                  U8 [ceil(out*in/2)][1] (the bytes, whatever the dtype): bits 7..4 = element 2i, 3..0 = 2i+1 of the
 *                                                      flattened weight
 *            X.weight.quant_map                        F32 [16]
 *            X.weight.absmax                           F32 [blocks]; U8 where they are quantized as well, with
 *            X.weight.nested_absmax, nested_quant_map  F32 [ceil(blocks/256)], F32 [256]
 *            X.weight.quant_state.bitsandbytes__nf4    U8: JSON {quant_type, blocksize, shape, dtype, nested_blocksize, nested_offset}
 *            weight = quant_map[code] * absmax[element / blocksize]
 *   int8     X.weight I8 [out][in], X.SCB F32 [out], X.weight_format
 *            weight = code * SCB / 127 */
#include "codec/codebook.h"
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/shape.h"

#include "base/checked.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define STATE_BYTES_MAX 65536

static const struct part int8_part[] = {
    {ROLE_CODES, ".weight", true, WHEN_NEVER, DTYPE_I8},
    {ROLE_SCALES, ".SCB", true, WHEN_NEVER, DTYPE_F32},
};
static const struct form bitsandbytes_form[] = {
    {.name = "NF4, FP4",
     .grid = GRID_CODEBOOK,
     .bits = 4,
     .part = int8_part,
     .part_count = 2,
     .codes = LAYOUT_ROW_IN4,
     .symmetric = ZERO_MID,
     .asymmetric = ZERO_NEVER},
    {.name = "int8", .bits = 8, .part = int8_part, .part_count = 2, .codes = LAYOUT_BYTE_INT8, .symmetric = ZERO_MID, .asymmetric = ZERO_NEVER},
};

static void bitsandbytes_probe(const struct source *source, struct bid *bid)
{
    const char *method = jsondoc_string(jsondoc_get(source_quantization(source), "quant_method"));
    if (method == NULL || strcmp(method, "bitsandbytes") != 0)
        return;
    bid->score = 90;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "config.json: bitsandbytes");
}

/* --- 4 bits ------------------------------------------------------------------------------------------------------------------------ */

/* What quant_state says. */
struct state {
    int64_t block, nested_block, shape[2];
    double nested_offset;
    bool nested;
};

static enum status wrong_state(const struct model *model, uint32_t tensor, const char *member, struct err *err)
{
    char where[700];
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where), "found a wrong value of \"%s\"", member);
}

static bool is_block(int64_t size)
{
    return size >= 32 && size <= 4096 && (size & (size - 1)) == 0;
}

static enum status take_state(const struct model *model, uint32_t tensor, const struct jsondoc *doc, struct state *state, struct err *err)
{
    const struct jsondoc *shape = jsondoc_get(doc, "shape"), *first = jsondoc_first(shape), *second = first == NULL ? NULL : jsondoc_next(first);
    if (!jsondoc_int(jsondoc_get(doc, "blocksize"), &state->block) || !is_block(state->block))
        return wrong_state(model, tensor, "blocksize", err);
    if (jsondoc_kind(shape) != JSONDOC_ARRAY || !jsondoc_int(first, &state->shape[0]) || !jsondoc_int(second, &state->shape[1]) ||
        jsondoc_next(second) != NULL || state->shape[0] < 1 || state->shape[1] < 1 || state->shape[0] > UINT32_MAX || state->shape[1] > UINT32_MAX)
        return wrong_state(model, tensor, "shape", err);
    state->nested = jsondoc_get(doc, "nested_blocksize") != NULL;
    if (state->nested && (!jsondoc_int(jsondoc_get(doc, "nested_blocksize"), &state->nested_block) || !is_block(state->nested_block)))
        return wrong_state(model, tensor, "nested_blocksize", err);
    if (state->nested && (!jsondoc_double(jsondoc_get(doc, "nested_offset"), &state->nested_offset) || !(fabs(state->nested_offset) <= (double)FLT_MAX)))
        return wrong_state(model, tensor, "nested_offset", err);
    return STATUS_OK;
}

static enum status read_state(struct source *source, const struct model *model, uint32_t tensor, struct state *state, struct err *err)
{
    const struct tensor *stored = &model->tensor[tensor];
    char text[STATE_BYTES_MAX], where[700];
    struct jsondoc *doc = NULL;
    if (stored->bytes > sizeof text)
        return err_set(err, STATUS_LIMIT, model_where(model, tensor, where, sizeof where), "found %llu bytes, expected at most %d",
                       (unsigned long long)stored->bytes, STATE_BYTES_MAX);
    TRY(source_tensor(source, model, tensor, text, (size_t)stored->bytes, err));
    enum status status = jsondoc_parse(model_where(model, tensor, where, sizeof where), (struct slice){text, (size_t)stored->bytes}, &doc, err);
    if (status == STATUS_OK)
        status = take_state(model, tensor, doc, state, err);
    jsondoc_free(doc);
    return status;
}

/* A role's tensor of this dtype and count of elements. */
static enum status expect(const struct model *model, const struct weight *weight, enum role role, enum dtype dtype, uint64_t count, struct err *err)
{
    const uint32_t at = weight->role[role];
    char where[700], shape[128];
    if (at == MODEL_NONE) {
        (void)err_set(err, STATUS_CORRUPT, weight->name, "found no %s of this weight (R-INCOMPLETE)", model_role_name(role));
        return err_try(err, "fetch the checkpoint again: a shard may be missing");
    }
    const struct tensor *tensor = &model->tensor[at];
    if (tensor->dtype == dtype && model_elements(tensor) == count)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model_where(model, at, where, sizeof where), "found %s %s, expected %llu elements of %s (R-SHAPE)",
                   dtype_name(tensor->dtype), model_shape_text(tensor, shape, sizeof shape), (unsigned long long)count, dtype_name(dtype));
}

/* The kernels of today use tables of their own, whatever the file holds; a file with another one means something else. */
static enum status check_table(struct source *source, const struct model *model, const struct weight *weight, struct err *err)
{
    float table[16];
    char where[700];
    TRY(source_tensor(source, model, weight->role[ROLE_TABLE], table, sizeof table, err));
    if (codebook_is_known(table))
        return STATUS_OK;
    return err_set(err, STATUS_UNSUPPORTED, model_where(model, weight->role[ROLE_TABLE], where, sizeof where),
                   "found a table that is neither NF4 nor FP4: bitsandbytes itself would read it as one of them (R-CODEBOOK)");
}

static enum status shape_codebook(struct source *source, const struct model *model, struct weight *weight, struct err *err)
{
    struct state state = {0};
    char where[700];
    TRY(read_state(source, model, weight->role[ROLE_STATE], &state, err));
    weight->out = (uint64_t)state.shape[0];
    weight->in = (uint64_t)state.shape[1];
    weight->groups = 1;
    const uint64_t elements = weight->out * weight->in, blocks = checked_div_up(elements, (uint64_t)state.block);
    const uint32_t codes = weight->role[ROLE_CODES];
    if (model->tensor[codes].bytes != checked_div_up(elements, 2))
        return err_set(err, STATUS_CORRUPT, model_where(model, codes, where, sizeof where), "found %llu bytes, expected %llu for %llu x %llu (R-SHAPE)",
                       (unsigned long long)model->tensor[codes].bytes, (unsigned long long)checked_div_up(elements, 2), (unsigned long long)weight->out,
                       (unsigned long long)weight->in);
    TRY(expect(model, weight, ROLE_TABLE, DTYPE_F32, 16, err));
    TRY(expect(model, weight, ROLE_SCALES, state.nested ? DTYPE_U8 : DTYPE_F32, blocks, err));
    if (state.nested) {
        TRY(expect(model, weight, ROLE_SCALES2, DTYPE_F32, checked_div_up(blocks, (uint64_t)state.nested_block), err));
        TRY(expect(model, weight, ROLE_TABLE2, DTYPE_F32, 256, err));
    }
    weight->spec = (struct spec){.grid = GRID_CODEBOOK,
                                 .bits = 4,
                                 .zero_kind = ZERO_MID,
                                 .scale_dtype = DTYPE_F32,
                                 .group = (uint64_t)state.block,
                                 .scale_rule = state.nested ? SCALE_CODED : SCALE_STORED,
                                 .scale_offset = (float)state.nested_offset,
                                 .scale_group = (uint32_t)state.nested_block,
                                 .codes_layout = LAYOUT_ROW_IN4};
    return check_table(source, model, weight, err);
}

/* Two states, or a state and an SCB, say different things of the same bytes. */
static enum status expect_unclaimed(const struct model *model, uint32_t codes, struct err *err)
{
    char where[700];
    if (model->tensor[codes].fate != FATE_CLAIMED)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model_where(model, codes, where, sizeof where), "found a weight that is described twice (R-CONFLICT)");
}

/* "X.weight.quant_state.bitsandbytes__nf4" makes a weight of "X.weight" and its other siblings. */
static enum status bind_codebook(struct model *model, uint32_t state, struct slice module, struct err *err)
{
    static const struct {
        enum role role;
        const char *suffix;
    } parts[] = {{ROLE_SCALES, ".weight.absmax"},
                 {ROLE_TABLE, ".weight.quant_map"},
                 {ROLE_SCALES2, ".weight.nested_absmax"},
                 {ROLE_TABLE2, ".weight.nested_quant_map"}};
    uint32_t codes, weight, part;
    char *name = arena_copy(&model->arena, module.data, module.size, err);
    if (name == NULL)
        return STATUS_LIMIT;
    if (!parts_sibling(model, module, ".weight", &codes)) {
        (void)err_set(err, STATUS_CORRUPT, name, "found %s.weight.quant_state but no %s.weight (R-INCOMPLETE)", name, name);
        return err_try(err, "fetch the checkpoint again: a shard may be missing");
    }
    TRY(expect_unclaimed(model, codes, err));
    TRY(model_add_weight(model, name, &weight, err));
    model_claim(model, weight, ROLE_CODES, codes);
    model_claim(model, weight, ROLE_STATE, state);
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
        if (parts_sibling(model, module, parts[p].suffix, &part))
            model_claim(model, weight, parts[p].role, part);
    return STATUS_OK;
}

/* --- int8 -------------------------------------------------------------------------------------------------------------------------- */

static enum status bind_int8(struct model *model, uint32_t scales, struct slice module, struct err *err)
{
    uint32_t weight, codes, format;
    char *name = arena_copy(&model->arena, module.data, module.size, err);
    if (name == NULL)
        return STATUS_LIMIT;
    if (!parts_sibling(model, module, ".weight", &codes)) {
        (void)err_set(err, STATUS_CORRUPT, name, "found %s.SCB but no %s.weight (R-INCOMPLETE)", name, name);
        return err_try(err, "fetch the checkpoint again: a shard may be missing");
    }
    TRY(expect_unclaimed(model, codes, err));
    TRY(model_add_weight(model, name, &weight, err));
    model_claim(model, weight, ROLE_CODES, codes);
    model_claim(model, weight, ROLE_SCALES, scales);
    if (parts_sibling(model, module, ".weight_format", &format))
        model_claim(model, weight, ROLE_STATE, format);
    return STATUS_OK;
}

static enum status shape_int8(struct source *source, const struct model *model, struct weight *weight, struct err *err)
{
    const uint32_t codes = weight->role[ROLE_CODES], format = weight->role[ROLE_STATE];
    char where[700], shape[128];
    uint8_t order = 0;
    TRY(shape_expect_dtype(model, codes, DTYPE_I8, err));
    if (model->tensor[codes].rank != 2 || model_elements(&model->tensor[codes]) == 0)
        return err_set(err, STATUS_CORRUPT, model_where(model, codes, where, sizeof where), "found shape %s, expected two dimensions (R-SHAPE)",
                       model_shape_text(&model->tensor[codes], shape, sizeof shape));
    if (format != MODEL_NONE)
        TRY(source_tensor(source, model, format, &order, 1, err));
    if (order != 0)
        return err_set(err, STATUS_UNSUPPORTED, model_where(model, format, where, sizeof where),
                       "found weight_format %u, expected 0 (rows): bitsandbytes refuses it too", order);
    weight->out = model->tensor[codes].shape[0];
    weight->in = model->tensor[codes].shape[1];
    weight->groups = 1;
    TRY(expect(model, weight, ROLE_SCALES, DTYPE_F32, weight->out, err));
    weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO,
                                 .bits = 8,
                                 .zero_kind = ZERO_MID,
                                 .param_order = ORDER_OUT_GROUP,
                                 .scale_dtype = DTYPE_F32,
                                 .scale_rule = SCALE_ABSMAX,
                                 .group = weight->in,
                                 .codes_layout = LAYOUT_BYTE_INT8};
    return STATUS_OK;
}

/* --- the whole --------------------------------------------------------------------------------------------------------------------- */

static enum status bind_weights(struct model *model, struct err *err)
{
    static const char *const states[] = {".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4"};
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        const struct slice name = slice_of(model->tensor[i].name);
        for (size_t s = 0; s < sizeof states / sizeof states[0]; s++)
            if (slice_ends(name, states[s]))
                TRY(bind_codebook(model, i, (struct slice){name.data, name.size - strlen(states[s])}, err));
        if (slice_ends(name, ".SCB"))
            TRY(bind_int8(model, i, (struct slice){name.data, name.size - strlen(".SCB")}, err));
    }
    return STATUS_OK;
}

static enum status refuse_strays(const struct model *model, struct err *err)
{
    static const char *const suffixes[] = {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".weight_format"};
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        char where[700];
        bool stray = model->tensor[i].fate == FATE_CARRY && slice_ends(slice_of(model->tensor[i].name), ".weight") &&
                     (model->tensor[i].dtype == DTYPE_U8 || model->tensor[i].dtype == DTYPE_I8);
        for (size_t s = 0; s < sizeof suffixes / sizeof suffixes[0]; s++)
            stray = stray || (model->tensor[i].fate == FATE_CARRY && slice_ends(slice_of(model->tensor[i].name), suffixes[s]));
        if (!stray)
            continue;
        (void)err_set(err, STATUS_CORRUPT, model_where(model, i, where, sizeof where),
                      "found a part of a quantized weight without its others (R-INCOMPLETE)");
        return err_try(err, "fetch the checkpoint again: a shard may be missing");
    }
    return STATUS_OK;
}

static enum status bitsandbytes_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    (void)options;
    TRY(source_tensors(source, model, err));
    TRY(bind_weights(model, err));
    TRY(refuse_strays(model, err));
    if (model->weight_count == 0) {
        (void)err_set(err, STATUS_CORRUPT, "config.json", "found quant_method \"bitsandbytes\", but no tensor with a quant_state or an SCB (R-CONFLICT)");
        return err_try(err, "--from the format that the weights are in: hf, if they are floats that transformers was to quantize when loading");
    }
    for (size_t w = 0; w < model->weight_count; w++) {
        struct weight *weight = &model->weight[w];
        const uint32_t state = weight->role[ROLE_STATE];
        const bool codebook = state != MODEL_NONE && strstr(model->tensor[state].name, ".quant_state.") != NULL;
        TRY(codebook ? shape_codebook(source, model, weight, err) : shape_int8(source, model, weight, err));
    }
    return STATUS_OK;
}

const struct format bitsandbytes_format = {
    .name = "bitsandbytes",
    .title = "bitsandbytes NF4, FP4 and int8",
    .can = {.grid = GRID_CODEBOOK, .reads = true, .scale_dtypes = 1u << DTYPE_F32},
    .form = bitsandbytes_form,
    .form_count = sizeof bitsandbytes_form / sizeof bitsandbytes_form[0],
    .names = {.stem = "model"},
    .probe = bitsandbytes_probe,
    .read = bitsandbytes_read,
};
