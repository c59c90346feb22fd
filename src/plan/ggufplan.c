#include "plan/ggufplan.h"

#include "base/checked.h"
#include "codec/ggml_embed.h"
#include "plan/gap.h"
#include "plan/gap_source.h"
#include "plan/gguftype.h"
#include "plan/outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t ggufplan_columns(const struct output_tensor *output)
{
    return output->rank == 0 ? 1 : output->shape[output->rank - 1];
}

uint64_t ggufplan_rows(const struct output_tensor *output)
{
    uint64_t rows = 1;
    for (unsigned d = 0; d + 1 < output->rank; d++)
        rows *= output->shape[d]; /* a product of what was checked when it was read */
    return rows;
}

/* The file's own bytes stay. */
static bool is_kept(const struct model *model, const struct arranged *arranged)
{
    if (!arranged->chosen || arranged->plus_one || arranged->head != 0)
        return false;
    if (arranged->source != MODEL_NONE)
        return ggml_of_dtype(model->tensor[arranged->source].dtype) == arranged->type;
    const struct spec *spec = &model->weight[arranged->weight[0]].spec;
    return arranged->weight_count == 1 && spec->grid == GRID_GGML_BLOCK && spec->block == (uint8_t)arranged->type;
}

/* MXFP4 that stays so: what is to be MXFP4, and experts in one stack, which llama.cpp's converter leaves whatever the type of the file
 * (ggml-org/llama.cpp:conversion/gpt_oss.py, dequant_model). */
static bool stays_mxfp4(const struct model *model, const struct arranged *arranged, enum ggml_type type)
{
    bool held = arranged->weight_count > 0;
    for (uint32_t w = 0; w < arranged->weight_count; w++)
        held = held && spec_is_mxfp4(&model->weight[arranged->weight[w]].spec);
    return held && (type == GGML_MXFP4 || (!arranged->chosen && model->weight[arranged->weight[0]].spec.experts > 0));
}

enum status ggufplan_aim(struct aims *aims, const struct model *model, const struct arrangement *arrangement, const struct options *options,
                         struct err *err)
{
    for (size_t i = 0; i < arrangement->count; i++) {
        const struct arranged *arranged = &arrangement->tensor[i];
        if (arranged->source != MODEL_NONE) {
            const struct tensor *source = &model->tensor[arranged->source];
            if (!dtype_is_plain_float(source->dtype) && !is_kept(model, arranged)) {
                char where[700];
                return err_set(err, STATUS_UNSUPPORTED, model_where(model, arranged->source, where, sizeof where),
                               "found dtype %s, expected F32, F16 or BF16 in what becomes GGUF", dtype_name(source->dtype));
            }
            aims->tensor[arranged->source].dtype = ggml_dtype(gguftype_floats(arranged, source, options));
            aims->tensor[arranged->source].add = arranged->plus_one;
            aims->tensor[arranged->source].half = arranged->plus_one && source->dtype == DTYPE_F16;
        }
        for (uint32_t w = 0; w < arranged->weight_count; w++) {
            struct aim *aim = &aims->weight[arranged->weight[w]];
            if (is_kept(model, arranged)) {
                aim->dense = false;
                continue;
            }
            const struct weight *weight = &model->weight[arranged->weight[w]];
            const enum ggml_type type = gguftype_values(model, arranged, options);
            const bool kept = aim->dense; /* --keep names it */
            const bool affine = weight->spec.grid == GRID_AFFINE_ZERO || weight->spec.grid == GRID_AFFINE_BETA;
            aim->blocks = !kept && ((type == GGML_COUNT && (affine || spec_is_mxfp4(&weight->spec))) || stays_mxfp4(model, arranged, type));
            aim->dense = !aim->blocks;
            aim->unheld = aim->dense && !kept && type == GGML_COUNT;
            aim->zeros = ZERO_MID;
            if (aim->blocks)
                aim->dtype = DTYPE_F16;
            else if (type != GGML_COUNT)
                aim->dtype = ggml_kind(type) == GGML_KIND_FLOAT ? ggml_dtype(type) : DTYPE_F32;
            else if (kept)
                aim->dtype = options->dtype != DTYPE_NONE ? options->dtype : aims->stated;
        }
    }
    return STATUS_OK;
}

/* --- outputs ------------------------------------------------------------------------------------------------------------------- */

static enum status append(struct plan *plan, const struct output_tensor *made, enum ggml_type type, struct err *err)
{
    uint64_t row_bytes;
    struct output_tensor typed = *made, *const output = &typed;
    output->type = type;
    output->dtype = ggml_dtype(type);
    if (!ggml_row_bytes(type, ggufplan_columns(output), &row_bytes)) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, output->name, "found rows of %llu, which are no whole blocks of %s (R-SHAPE)",
                      (unsigned long long)ggufplan_columns(output), ggml_name(type));
        return err_try(err, "--tensor-type %s=F16", output->name);
    }
    TRY(ggml_grid_build(&plan->arena, type, &plan->grids, err));
    if (!checked_mul(row_bytes, ggufplan_rows(output), &output->bytes) || !checked_add(plan->tensor_bytes, output->bytes, &plan->tensor_bytes))
        return err_set(err, STATUS_LIMIT, output->name, "the output is larger than 2^64 bytes");
    TRY(mem_grow((void **)&plan->tensor, &plan->tensor_capacity, plan->tensor_count + 1, sizeof *plan->tensor, err));
    plan->tensor[plan->tensor_count++] = *output;
    return STATUS_OK;
}

static enum status add_floats(struct plan *plan, uint32_t index, const struct options *options, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    const struct tensor *source = &plan->model->tensor[arranged->source];
    const enum ggml_type type = gguftype_floats(arranged, source, options);
    const bool block = ggml_kind(type) == GGML_KIND_BLOCK, same = ggml_dtype(type) == source->dtype && !arranged->plus_one;
    const struct cast_tally *cast = &plan->survey->tensor[arranged->source].cast;
    const struct gap gap = {plan->model, plan->survey, plan->aims, plan->target, options, 0, 0};
    TRY(gap_tensor(&gap, arranged->source, err));
    struct output_tensor output = {.name = arranged->name, .shape = arranged->shape, .rank = arranged->rank, .source = arranged->source};
    output.step = block || arranged->plus_one || (arranged->chosen && !same) ? STEP_BLOCKS : same ? STEP_COPY : STEP_CAST;
    output.exactness = block ? EXACTNESS_LOSSY : cast->inexact > 0 ? EXACTNESS_ROUNDED : same ? EXACTNESS_BYTES : EXACTNESS_EXACT;
    output.checked = arranged->chosen;
    if (output.step == STEP_BLOCKS)
        output.source = index;
    return append(plan, &output, type, err);
}

/* Activation parameters have no place in a GGUF file; of dynamic FP8 there are none. */
static enum status check_activation(const struct weight *weight, const struct options *options, struct err *err)
{
    const bool mxfp4 = spec_is_mxfp4(&weight->spec), small = weight->spec.grid == GRID_MINIFLOAT && !mxfp4;
    if (weight->spec.activation == ACTIVATION_NONE || options->weights_only || (small && weight->role[ROLE_INPUT_SCALE] == MODEL_NONE))
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %s %s activations, which gguf cannot hold (R-ACTPARAM)",
                  spec_activation_name(weight->spec.activation),
                  mxfp4   ? "MXFP4"
                  : small ? "FP8"
                          : "int8");
    return err_try(err, "--weights-only drops them");
}

/* Weights that become values: what gap says of floats. */
static enum status check_values(const struct plan *plan, const struct arranged *arranged, const struct options *options, struct err *err)
{
    const struct gap gap = {plan->model, plan->survey, plan->aims, plan->target, options, 0, 0};
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        struct spec spec;
        TRY(check_activation(&plan->model->weight[arranged->weight[w]], options, err));
        TRY(gap_weight(&gap, arranged->weight[w], &spec, err));
    }
    return STATUS_OK;
}

static enum status add_values(struct plan *plan, uint32_t index, enum ggml_type type, const struct options *options, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    struct output_tensor output = {.name = arranged->name, .shape = arranged->shape, .rank = arranged->rank, .source = index, .step = STEP_BLOCKS};
    if (is_kept(plan->model, arranged)) {
        output.step = STEP_COPY;
        output.checked = true;
        output.source = plan->model->weight[arranged->weight[0]].role[ROLE_CODES];
        return append(plan, &output, type, err);
    }
    TRY(check_values(plan, arranged, options, err));
    output.exactness = ggml_kind(type) == GGML_KIND_BLOCK ? EXACTNESS_LOSSY : EXACTNESS_EXACT;
    const bool allowed = options->requantize || options->sizes_only || gguftype_is_q8(plan->model, arranged, options);
    if (output.exactness == EXACTNESS_LOSSY && !allowed) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, output.name, "found codes, and %s would round them anew", ggml_name(type));
        return err_try(err, "--type auto keeps them, --type F16 makes them floats, --allow-requantize rounds them");
    }
    for (uint32_t w = 0; w < arranged->weight_count; w++)
        if (plan->survey->weight[arranged->weight[w]].values.inexact > 0 && output.exactness == EXACTNESS_EXACT)
            output.exactness = EXACTNESS_ROUNDED;
    return append(plan, &output, type, err);
}

/* --- codes into blocks ---------------------------------------------------------------------------------------------------------- */

/* What all weights of a stack have in common: the widest of each. */
static struct ggml_embed_facts facts_of(const struct plan *plan, const struct arranged *arranged)
{
    struct ggml_embed_facts facts = {.columns = gguftype_columns(arranged), .low = INT64_MAX, .high = INT64_MIN, .zero_low = INT64_MAX, .zero_high = INT64_MIN};
    facts.group = facts.columns;
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        const struct weight *weight = &plan->model->weight[arranged->weight[w]];
        const struct survey_weight *seen = &plan->survey->weight[arranged->weight[w]];
        const bool zeros = seen->groups.zero_min <= seen->groups.zero_max, part = seen->groups.fractions > 0;
        const bool lost = part && weight->spec.zero_kind == ZERO_OFFSET; /* only a beta can be no whole multiple: its survey looked at the betas */
        facts.bits = weight->spec.bits > facts.bits ? weight->spec.bits : facts.bits;
        facts.betas = facts.betas || part;
        facts.group = gap_common_divisor(facts.group, seen->group_run);
        facts.low = seen->embed.low < facts.low ? seen->embed.low : facts.low;
        facts.high = seen->embed.high > facts.high ? seen->embed.high : facts.high;
        facts.zero_low = zeros && seen->groups.zero_min < facts.zero_low ? seen->groups.zero_min : facts.zero_low;
        facts.zero_high = zeros && seen->groups.zero_max > facts.zero_high ? seen->groups.zero_max : facts.zero_high;
        facts.loose[0] = facts.loose[0] || lost || seen->embed.loose[0] > 0;
        facts.loose[1] = facts.loose[1] || lost || seen->embed.loose[1] > 0;
    }
    return facts;
}

/* Of a weight that no type holds: the type that loses least for its bits. */
static enum ggml_type lossy_type(const struct ggml_embed_facts *facts)
{
    static const enum ggml_type types[2][3] = {{GGML_Q4_1, GGML_Q5_1, GGML_Q8_0}, {GGML_Q4_K, GGML_Q5_K, GGML_Q6_K}}; /* of 32 and of 256 columns */
    const size_t width = facts->bits < 5 ? 0 : facts->bits - 4;
    return width > 2 ? GGML_Q8_0 : types[facts->columns % 256 == 0][width];
}

/* Whether a block type holds the codes of a weight, or of all weights of a stack; where the survey saw no sound parameters, another refusal is nearer. */
static bool is_held(const struct plan *plan, const struct arranged *arranged)
{
    const struct aim *aim = &plan->aims->weight[arranged->weight[0]];
    if (aim->unheld)
        return false;
    if (!aim->blocks || spec_is_mxfp4(&plan->model->weight[arranged->weight[0]].spec))
        return true;
    const struct ggml_embed_facts facts = facts_of(plan, arranged);
    return ggml_embed_choose(&facts) != GGML_COUNT;
}

/* "" or how many tensors behind this one no block holds either, into buffer; returns buffer. */
static const char *others_unheld(const struct plan *plan, uint32_t index, char *buffer, size_t size)
{
    size_t more = 0;
    for (size_t i = index + 1; i < plan->arrangement->count; i++)
        more += plan->arrangement->tensor[i].source == MODEL_NONE && !is_held(plan, &plan->arrangement->tensor[i]);
    buffer[0] = '\0';
    if (more > 0)
        (void)snprintf(buffer, size, ", and %zu more tensor%s that no block holds", more, more == 1 ? "" : "s");
    return buffer;
}

/* Why the columns of a weight in activation order stand where they do: what makes them would have to be in that order as well. */
static const char *order_of(const char *name)
{
    static const struct {
        const char *part, *why;
    } inputs[] = {
        {".attn_output", ", in activation order (R-ACTORDER), while the heads, whose values are its inputs, keep theirs"},
        {"", ", in activation order (R-ACTORDER), while its input is the hidden state, whose order is that of all layers"},
    };
    size_t i = 0;
    while (strstr(name, inputs[i].part) == NULL) /* the last is in every name */
        i++;
    return inputs[i].why;
}

/* Whether groups are no whole blocks because of the order of the columns. */
static bool is_ordered(const struct survey_weight *seen)
{
    return !seen->trivial_group_of && seen->group_run % GGML_EMBED_COLUMNS_MIN != 0;
}

/* What the codes of a stack are that no type holds, into buffer; returns buffer. Biases (or zeros) that are no whole multiples have no range of code - zero. */
static const char *codes_of(const struct plan *plan, const struct arranged *arranged, const struct ggml_embed_facts *facts, char *buffer, size_t size)
{
    uint64_t fractions = 0;
    bool zeros = false;
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        fractions += plan->survey->weight[arranged->weight[w]].groups.fractions;
        zeros = zeros || plan->model->weight[arranged->weight[w]].spec.zero_kind == ZERO_OFFSET;
    }
    if (!facts->betas)
        (void)snprintf(buffer, size, "code - zero in %lld..%lld", (long long)facts->low, (long long)facts->high);
    else
        (void)snprintf(buffer, size, "%llu groups with a %s", (unsigned long long)fractions,
                       zeros             ? "zero that is no integer"
                       : facts->bits > 5 ? "bias that is no whole multiple of its scale"
                                         : "bias that is no whole multiple of its scale, nor are all F16");
    return buffer;
}

static enum status refuse_embedding(const struct plan *plan, uint32_t index, const struct ggml_embed_facts *facts, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    const char *name = arranged->name, *why = "";
    uint64_t group = facts->columns;
    char more[80], codes[120];
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        const struct weight *weight = &plan->model->weight[arranged->weight[w]];
        group = gap_common_divisor(group, weight->groups == 1 ? facts->columns : weight->spec.group);
        if (is_ordered(&plan->survey->weight[arranged->weight[w]]))
            why = plan->aims->weight[arranged->weight[w]].stuck != NULL ? plan->aims->weight[arranged->weight[w]].stuck : order_of(name);
    }
    (void)err_set(err, STATUS_UNREPRESENTABLE, name, "found %u-bit codes, %s, in groups of %llu%s: no block type holds them exactly (R-BLOCKS)%s",
                  facts->bits, codes_of(plan, arranged, facts, codes, sizeof codes), (unsigned long long)group, why,
                  others_unheld(plan, index, more, sizeof more));
    return err_try(err, "--tensor-type %s=F32 makes it floats, --type F32 all of them; --allow-requantize rounds it to %s (lossy)", name,
                   ggml_name(lossy_type(facts)));
}

/* Each weight of the stack as it is: finite, its scales no less than F16 holds. */
static enum status check_embedded(const struct plan *plan, const struct arranged *arranged, const struct options *options, struct err *err)
{
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        const struct weight *weight = &plan->model->weight[arranged->weight[w]];
        const struct survey_weight *seen = &plan->survey->weight[arranged->weight[w]];
        TRY(check_activation(weight, options, err));
        TRY(gap_source_check(plan->model, arranged->weight[w], seen, err));
        const enum status status = gap_source_cast((struct gap_source_cast){weight->name, "scales", &seen->scales, DTYPE_F16, options->exact, false}, err);
        if (status != STATUS_OK && (seen->scales.overflow > 0 || seen->scales.underflow > 0))
            (void)err_try(err, "--tensor-type %s=F32 makes it floats, --type F32 all of them", arranged->name); /* no block's scale is wider */
        TRY(status);
    }
    return STATUS_OK;
}

/* MXFP4 is a block type of its own: nibbles and exponents only move. */
static enum status add_mxfp4(struct plan *plan, uint32_t index, const struct options *options, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    const struct output_tensor output = {.name = arranged->name, .shape = arranged->shape, .rank = arranged->rank, .source = index, .step = STEP_EMBED};
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        const struct weight *weight = &plan->model->weight[arranged->weight[w]];
        if (!spec_is_mxfp4(&weight->spec))
            return err_set(err, STATUS_UNSUPPORTED, weight->name, "found codes that are no MXFP4 in a stack of experts of which some are");
        TRY(check_activation(weight, options, err));
        if (plan->survey->weight[arranged->weight[w]].exponent_max != UINT8_MAX)
            continue;
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found an exponent of 255, which is NaN, and which ggml does not take (R-E255)");
        return err_try(err, "--to compressed-tensors or --to mlx: they hold it as it is");
    }
    return append(plan, &output, GGML_MXFP4, err);
}

static enum status add_embedded(struct plan *plan, uint32_t index, const struct options *options, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    const struct ggml_embed_facts facts = facts_of(plan, arranged);
    struct output_tensor output = {.name = arranged->name, .shape = arranged->shape, .rank = arranged->rank, .source = index, .step = STEP_EMBED};
    TRY(check_embedded(plan, arranged, options, err));
    const enum ggml_type type = ggml_embed_choose(&facts);
    if (type == GGML_COUNT && !options->requantize)
        return refuse_embedding(plan, index, &facts, err);
    output.exactness = EXACTNESS_EXACT;
    for (uint32_t w = 0; w < arranged->weight_count; w++)
        if (plan->survey->weight[arranged->weight[w]].scales.inexact > 0)
            output.exactness = EXACTNESS_ROUNDED;
    if (type != GGML_COUNT)
        return append(plan, &output, type, err);
    output.step = STEP_BLOCKS;
    output.exactness = EXACTNESS_LOSSY;
    return append(plan, &output, lossy_type(&facts), err);
}

/* Codes on no grid of integers. */
static enum status add_unheld(struct plan *plan, uint32_t index, const struct options *options, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    const struct spec *spec = &plan->model->weight[arranged->weight[0]].spec;
    const bool table = spec->grid == GRID_CODEBOOK;
    char more[80];
    if (options->requantize)
        return add_values(plan, index, GGML_Q8_0, options, err);
    (void)err_set(err, table ? STATUS_UNSUPPORTED : STATUS_UNREPRESENTABLE, arranged->name, "found %s, which no block type holds exactly (%s)%s",
                  table ? "codes of a table (NF4, FP4)" : "floats of 4 or 8 bits", table ? "R-CODEBOOK" : "R-FP8",
                  others_unheld(plan, index, more, sizeof more));
    return err_try(err, "--tensor-type %s=F32 makes it floats, --type F32 all of them; --allow-requantize rounds it to Q8_0 (lossy)", arranged->name);
}

/* --- all tensors ----------------------------------------------------------------------------------------------------------------- */

/* Weights whose codes go into blocks, or whose values do. */
static enum status add_weights(struct plan *plan, uint32_t index, const struct options *options, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    const struct aim *aim = &plan->aims->weight[arranged->weight[0]];
    for (uint32_t w = 1; w < arranged->weight_count; w++)
        if (plan->aims->weight[arranged->weight[w]].blocks != aim->blocks)
            return err_set(err, STATUS_UNSUPPORTED, arranged->name, "found experts of one stack of which some become floats and some do not");
    if (aim->blocks && spec_is_mxfp4(&plan->model->weight[arranged->weight[0]].spec))
        return add_mxfp4(plan, index, options, err);
    if (aim->blocks)
        return add_embedded(plan, index, options, err);
    if (aim->unheld)
        return add_unheld(plan, index, options, err);
    const enum ggml_type type = gguftype_values(plan->model, arranged, options);
    return add_values(plan, index, type == GGML_COUNT ? ggml_of_dtype(aim->dtype) : type, options, err);
}

static enum status drop(struct plan *plan, uint32_t tensor, const char *why, struct err *err)
{
    TRY(mem_grow((void **)&plan->dropped, &plan->dropped_capacity, plan->dropped_count + 1, sizeof *plan->dropped, err));
    plan->dropped[plan->dropped_count++] = (struct dropped){tensor, why};
    return STATUS_OK;
}

const struct cast_tally *ggufplan_cast(const struct plan *plan, const struct output_tensor *output)
{
    const struct arranged *arranged = &plan->arrangement->tensor[output->source];
    const struct cast_tally *worst = arranged->source != MODEL_NONE ? &plan->survey->tensor[arranged->source].cast : NULL;
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        const struct survey_weight *seen = &plan->survey->weight[arranged->weight[w]];
        const struct cast_tally *own = output->step == STEP_EMBED ? &seen->scales : &seen->values;
        worst = worst == NULL || own->max_relative > worst->max_relative ? own : worst;
    }
    return worst;
}

/* What no tensor of the file is made of: leftovers that a target never has, and activation parameters. */
static enum status add_dropped(struct plan *plan, const struct options *options, struct err *err)
{
    static const enum role lost[] = {ROLE_INPUT_SCALE, ROLE_INPUT_ZERO, ROLE_DEQ_SCALE, ROLE_QUANT_BIAS};
    const struct gap gap = {plan->model, plan->survey, plan->aims, plan->target, options, 0, 0};
    for (size_t l = 0; l < plan->arrangement->left_count; l++)
        TRY(drop(plan, plan->arrangement->left[l].tensor, plan->arrangement->left[l].why, err));
    for (uint32_t t = 0; t < plan->model->tensor_count; t++) {
        const struct tensor *tensor = &plan->model->tensor[t];
        if (tensor->fate == FATE_DROP_ZERO || tensor->fate == FATE_DROP_TWIN) {
            TRY(gap_tensor(&gap, t, err));
            TRY(outputs_drop(plan, t, err));
        }
        for (size_t r = 0; tensor->fate == FATE_CLAIMED && r < sizeof lost / sizeof lost[0]; r++)
            if (plan->model->weight[tensor->peer].role[lost[r]] == t)
                TRY(drop(plan, t, "activation parameter", err));
    }
    return STATUS_OK;
}

/* What the engine of --for has kernels for. */
static enum status check_types(const struct plan *plan, const struct constraints *engine, struct err *err)
{
    char list[300];
    size_t used = 0;
    for (size_t t = 0; engine != NULL && engine->ggml_types != 0 && t < plan->tensor_count; t++) {
        const struct output_tensor *output = &plan->tensor[t];
        if ((engine->ggml_types >> output->type & 1) != 0)
            continue;
        for (int type = 0; type < GGML_COUNT && used < sizeof list; type++)
            if ((engine->ggml_types >> type & 1) != 0)
                used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used == 0 ? "" : ", ", ggml_name((enum ggml_type)type));
        (void)err_set(err, STATUS_UNREPRESENTABLE, output->name, "found type %s, expected one that %s has kernels for: %s", ggml_name(output->type),
                      engine->engine, list);
        return err_try(err, "another --type, or --tensor-type %s=F16", output->name);
    }
    return STATUS_OK;
}

/* A view is made of pieces that may have an order. */
static bool has_order(const struct model *model, uint32_t tensor)
{
    const struct view *view = model->tensor[tensor].view;
    bool ordered = model->tensor[tensor].order != NULL;
    for (uint32_t p = 0; view != NULL && view->piece != NULL && p < view->down * view->across && !ordered; p++)
        ordered = has_order(model, view->piece[p].tensor);
    return ordered;
}

static enum moved moved_of(const struct model *model, const struct arranged *arranged)
{
    enum moved moved = arranged->source != MODEL_NONE && has_order(model, arranged->source) ? MOVED_ROWS : MOVED_NONE;
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        const struct weight *weight = &model->weight[arranged->weight[w]];
        moved = weight->column_order != NULL ? MOVED_INPUTS : weight->row_order != NULL ? MOVED_ROWS : moved;
    }
    return moved;
}

enum status ggufplan_tensors(struct plan *plan, const struct options *options, struct err *err)
{
    const struct arrangement *arrangement = plan->arrangement;
    for (uint32_t i = 0; i < arrangement->count; i++) {
        const struct arranged *arranged = &arrangement->tensor[i];
        TRY(arranged->source != MODEL_NONE ? add_floats(plan, i, options, err) : add_weights(plan, i, options, err));
        plan->tensor[plan->tensor_count - 1].moved = moved_of(plan->model, arranged);
    }
    TRY(check_types(plan, options->constraints, err));
    return add_dropped(plan, options, err);
}
