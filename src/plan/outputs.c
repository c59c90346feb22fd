#include "plan/outputs.h"

#include "base/checked.h"
#include "container/safetensors.h"
#include "container/shards.h"

#include <stdlib.h>
#include <string.h>

static enum status append(struct plan *plan, const struct output_tensor *output, struct err *err)
{
    TRY(mem_grow((void **)&plan->tensor, &plan->tensor_capacity, plan->tensor_count + 1, sizeof *plan->tensor, err));
    plan->tensor[plan->tensor_count++] = *output;
    return STATUS_OK;
}

static enum status set_shape(struct plan *plan, struct output_tensor *output, uint64_t a, uint64_t b, struct err *err)
{
    uint64_t *shape = arena_alloc(&plan->arena, 2, sizeof *shape, err);
    uint64_t elements;
    if (shape == NULL)
        return STATUS_LIMIT;
    shape[0] = a;
    shape[1] = b;
    output->shape = shape;
    output->rank = b == 0 ? 1 : 2;
    if (!checked_mul(a, b == 0 ? 1 : b, &elements) || !checked_mul(elements, dtype_bits(output->dtype) / 8, &output->bytes))
        return err_set(err, STATUS_LIMIT, output->name, "the output tensor is larger than 2^64 bytes");
    return STATUS_OK;
}

/* A packed matrix of words, as the safetensors shape [rows][words]. */
static enum status set_packed(struct plan *plan, struct output_tensor *output, const struct layout *layout, uint64_t out, uint64_t in, struct err *err)
{
    uint64_t rows, row_bytes;
    if (!layout_size(layout, out, in, &rows, &row_bytes))
        return err_set(err, STATUS_UNREPRESENTABLE, output->name, "found dimensions that do not fill whole words (R-SHAPE)");
    return set_shape(plan, output, rows, row_bytes / (dtype_bits(output->dtype) / 8), err); /* a word may be stored as its bytes */
}

static enum exactness classify_zeros(const struct spec *from, const struct spec *to, const struct cast_tally *cast, bool changed)
{
    if (from->zero_kind == to->zero_kind && to->zero_kind != ZERO_CODES && cast->inexact > 0)
        return EXACTNESS_ROUNDED;
    const bool spare = from->zero_kind == ZERO_CODES && layout_row(from->zeros_layout)->tail == TAIL_SPARE;
    const bool cast_over = to->zero_kind != ZERO_CODES && from->scale_dtype != to->scale_dtype;
    return changed || spare || cast_over || from->zero_kind != to->zero_kind || from->zero_rule != to->zero_rule ? EXACTNESS_EXACT : EXACTNESS_BYTES;
}

/* An input scale may be rounded to the dtype of --dtype; a zero is an integer in every form. */
static enum exactness classify_input(const struct plan *plan, const struct weight *weight, enum step step, enum dtype to)
{
    const uint32_t stored = weight->role[step == STEP_INPUT_SCALE ? ROLE_INPUT_SCALE : ROLE_INPUT_ZERO];
    const enum dtype from = stored == MODEL_NONE ? DTYPE_NONE : plan->model->tensor[stored].dtype;
    if (from == to)
        return EXACTNESS_BYTES;
    return step == STEP_INPUT_ZERO || dtype_bits(from) < dtype_bits(to) ? EXACTNESS_EXACT : EXACTNESS_ROUNDED;
}

/* The scales are quotients in F32 (msModelSlim's static W8A8 of v1). */
static bool from_quotients(const struct weight *weight)
{
    return weight->role[ROLE_SCALES] == MODEL_NONE && weight->role[ROLE_DEQ_SCALE] != MODEL_NONE;
}

/* Each part of the source only moved: bytes. Re-encoded with every value kept: exact. Scales rounded: rounded. */
static enum exactness classify(const struct plan *plan, uint32_t index, const struct output_tensor *output)
{
    const enum step step = output->step;
    const struct weight *weight = &plan->model->weight[index];
    const struct spec *from = &weight->spec, *to = &plan->spec[index];
    const struct survey_weight *seen = &plan->survey->weight[index];
    const bool recoded = from->code_rule != CODE_STORED;
    const bool refined = from->group != to->group || from->param_order == ORDER_ONE, widened = from->bits != to->bits;
    if (weight->origin != NULL && (step == STEP_CODES || step == STEP_SCALES || step == STEP_ZEROS || step == STEP_BETA))
        return EXACTNESS_LOSSY;
    switch (step) {
    case STEP_CODES:
        return widened || recoded || layout_row(from->codes_layout)->tail == TAIL_SPARE ? EXACTNESS_EXACT : EXACTNESS_BYTES;
    case STEP_SCALES:
        if (seen->scales.inexact > 0 || from_quotients(weight))
            return EXACTNESS_ROUNDED;
        return refined || recoded || from->scale_dtype != to->scale_dtype ? EXACTNESS_EXACT : EXACTNESS_BYTES;
    case STEP_ZEROS:
    case STEP_BETA:
        return classify_zeros(from, to, &seen->zeros, refined || widened);
    case STEP_GROUP_OF:
        return weight->role[ROLE_GROUP_OF] == MODEL_NONE || seen->zero_group_of || seen->negative_group_of || refined ? EXACTNESS_EXACT : EXACTNESS_BYTES;
    case STEP_SHAPE:
        return weight->role[ROLE_SHAPE] == MODEL_NONE || plan->model->tensor[weight->role[ROLE_SHAPE]].dtype != output->dtype ? EXACTNESS_EXACT
                                                                                                                              : EXACTNESS_BYTES;
    case STEP_INPUT_SCALE:
    case STEP_INPUT_ZERO:
        return classify_input(plan, weight, step, output->dtype);
    case STEP_DEQ_SCALE: /* products and quotients in F32 */
    case STEP_QUANT_BIAS:
        return weight->role[step == STEP_DEQ_SCALE ? ROLE_DEQ_SCALE : ROLE_QUANT_BIAS] == MODEL_NONE ? EXACTNESS_ROUNDED : EXACTNESS_BYTES;
    case STEP_DENSE:
        return seen->values.inexact > 0 || from_quotients(weight) ? EXACTNESS_ROUNDED : EXACTNESS_EXACT;
    default:
        return EXACTNESS_BYTES;
    }
}

static bool is_written(const struct plan *plan, uint32_t index, const struct part *part)
{
    const struct survey_weight *seen = &plan->survey->weight[index];
    if (part->role == ROLE_GROUP_OF && plan->no_group_of)
        return false;
    switch (part->when) {
    case WHEN_ALWAYS:
        return true;
    case WHEN_ZEROS:
        return plan->spec[index].zero_kind != ZERO_MID;
    case WHEN_ORDERED:
        return !seen->trivial_group_of;
    case WHEN_NONZERO:
        return seen->input_zero;
    case WHEN_NEVER:
        break;
    }
    return false;
}

static enum status set_matrix(struct plan *plan, struct output_tensor *output, const struct weight *weight, const struct spec *spec, struct err *err)
{
    if (spec->grid == GRID_MINIFLOAT && spec->param_order == ORDER_ONE)
        return set_shape(plan, output, 1, 0, err);
    if (spec->grid == GRID_MINIFLOAT && spec->rows > 0)
        return set_shape(plan, output, checked_div_up(weight->out, spec->rows), weight->groups, err);
    const uint64_t groups = checked_div_up(weight->in, spec->group);
    if (spec->param_order == ORDER_GROUP_OUT)
        return set_shape(plan, output, groups, weight->out, err);
    return set_shape(plan, output, weight->out, groups, err);
}

/* Input scales, and zeros that are floats, keep the scale's dtype unless --dtype is given. */
static enum dtype input_dtype(const struct plan *plan, const struct weight *weight)
{
    const enum dtype own = plan->model->tensor[weight->role[ROLE_INPUT_SCALE]].dtype;
    return plan->aims->floats != DTYPE_NONE ? plan->aims->floats : own;
}

/* Step, dtype, shape and size of one part. */
static enum status shape_part(struct plan *plan, uint32_t index, const struct part *part, struct output_tensor *output, struct err *err)
{
    const struct weight *weight = &plan->model->weight[index];
    const struct spec *spec = &plan->spec[index];
    output->dtype = part->dtype == DTYPE_NONE ? spec->scale_dtype : part->dtype;
    switch (part->role) {
    case ROLE_CODES:
        output->step = STEP_CODES;
        return set_packed(plan, output, layout_row(spec->codes_layout), weight->out, weight->in, err);
    case ROLE_ZEROS:
        output->step = STEP_ZEROS;
        if (spec->zero_kind == ZERO_CODES)
            return set_packed(plan, output, layout_row(spec->zeros_layout), weight->out, checked_div_up(weight->in, spec->group), err);
        return set_matrix(plan, output, weight, spec, err);
    case ROLE_SCALES:
    case ROLE_BETA:
        output->step = part->role == ROLE_BETA ? STEP_BETA : STEP_SCALES;
        return set_matrix(plan, output, weight, spec, err);
    case ROLE_GROUP_OF:
        output->step = STEP_GROUP_OF;
        return set_shape(plan, output, weight->in, 0, err);
    case ROLE_SHAPE:
        output->step = STEP_SHAPE;
        return set_shape(plan, output, 2, 0, err);
    case ROLE_INPUT_SCALE:
    case ROLE_INPUT_ZERO:
        output->step = part->role == ROLE_INPUT_SCALE ? STEP_INPUT_SCALE : STEP_INPUT_ZERO;
        if (part->dtype == DTYPE_NONE)
            output->dtype = input_dtype(plan, weight);
        return set_shape(plan, output, 1, 0, err);
    case ROLE_DEQ_SCALE:
    case ROLE_QUANT_BIAS:
        output->step = part->role == ROLE_DEQ_SCALE ? STEP_DEQ_SCALE : STEP_QUANT_BIAS;
        if (part->role == ROLE_DEQ_SCALE)
            output->dtype = weight->role[ROLE_DEQ_SCALE] != MODEL_NONE ? plan->model->tensor[weight->role[ROLE_DEQ_SCALE]].dtype
                            : plan->aims->stated == DTYPE_F16          ? DTYPE_I64
                                                                       : DTYPE_F32;
        return set_shape(plan, output, weight->out, 0, err);
    default:
        return err_set(err, STATUS_UNSUPPORTED, output->name, "found a part that this version does not write");
    }
}

/* [out][x] of all experts as [expert][out / experts][x]. */
static enum status stack_experts(struct plan *plan, uint32_t experts, struct output_tensor *output, struct err *err)
{
    uint64_t *shape = arena_alloc(&plan->arena, 3, sizeof *shape, err);
    if (shape == NULL)
        return STATUS_LIMIT;
    shape[0] = experts;
    shape[1] = output->shape[0] / experts;
    shape[2] = output->shape[1];
    output->shape = shape;
    output->rank = 3;
    return STATUS_OK;
}

static enum status add_part(struct plan *plan, uint32_t index, const struct part *part, struct err *err)
{
    struct output_tensor output = {.source = index};
    output.name = arena_format(&plan->arena, err, "%s%s", plan->model->weight[index].name, part->suffix);
    if (output.name == NULL)
        return STATUS_LIMIT;
    TRY(shape_part(plan, index, part, &output, err));
    if (plan->spec[index].experts > 0)
        TRY(stack_experts(plan, plan->spec[index].experts, &output, err));
    output.exactness = classify(plan, index, &output);
    return append(plan, &output, err);
}

/* Stacked experts become [expert][in][out], without a suffix, as transformers holds them. */
static enum status shape_experts(struct plan *plan, const struct weight *weight, struct output_tensor *output, struct err *err)
{
    uint64_t *shape = arena_alloc(&plan->arena, 3, sizeof *shape, err);
    if (shape == NULL)
        return STATUS_LIMIT;
    shape[0] = weight->spec.experts;
    shape[1] = weight->in;
    shape[2] = weight->out / weight->spec.experts;
    output->shape = shape;
    output->rank = 3;
    return STATUS_OK;
}

static enum status add_dense(struct plan *plan, uint32_t index, struct err *err)
{
    const struct weight *weight = &plan->model->weight[index];
    struct output_tensor output = {.source = index, .step = STEP_DENSE, .dtype = plan->spec[index].scale_dtype};
    output.name = arena_format(&plan->arena, err, "%s%s", weight->name, weight->spec.experts > 0 ? "" : ".weight");
    if (output.name == NULL)
        return STATUS_LIMIT;
    output.exactness = classify(plan, index, &output);
    TRY(set_shape(plan, &output, weight->out, weight->in, err)); /* its bytes */
    if (weight->spec.experts > 0)
        TRY(shape_experts(plan, weight, &output, err));
    return append(plan, &output, err);
}

static enum status drop(struct plan *plan, uint32_t tensor, const char *why, struct err *err)
{
    TRY(mem_grow((void **)&plan->dropped, &plan->dropped_capacity, plan->dropped_count + 1, sizeof *plan->dropped, err));
    plan->dropped[plan->dropped_count++] = (struct dropped){tensor, why};
    return STATUS_OK;
}

/* Activation parameters that the target's form does not write; NULL: what the tensor said is in the output. */
static const char *loss_of(const struct plan *plan, uint32_t index, enum role role)
{
    if (plan->aims->weight[index].excluded)
        return "excluded";
    if (role != ROLE_INPUT_SCALE && role != ROLE_INPUT_ZERO && role != ROLE_DEQ_SCALE && role != ROLE_QUANT_BIAS)
        return NULL;
    for (size_t p = 0; plan_keeps(plan, index) && p < plan_form(plan, index)->part_count; p++)
        if (plan_form(plan, index)->part[p].role == role && plan_form(plan, index)->part[p].when != WHEN_NEVER)
            return NULL;
    const bool derived = plan_keeps(plan, index) && plan->spec[index].activation == ACTIVATION_STATIC;
    return derived ? "follows from the other activation parameters" : "activation parameter";
}

enum status outputs_claimed(struct plan *plan, uint32_t tensor, struct err *err)
{
    const uint32_t index = plan->model->tensor[tensor].peer;
    const struct weight *weight = &plan->model->weight[index];
    for (int role = 0; role < ROLE_COUNT; role++)
        if (weight->role[role] == tensor && loss_of(plan, index, (enum role)role) != NULL)
            TRY(drop(plan, tensor, loss_of(plan, index, (enum role)role), err));
    const uint32_t first = weight->role[ROLE_CODES] != MODEL_NONE ? weight->role[ROLE_CODES] : weight->role[ROLE_DENSE];
    if (tensor != first || plan->aims->weight[index].excluded)
        return STATUS_OK;
    if (plan->aims->weight[index].dense)
        return add_dense(plan, index, err);
    const struct form *form = plan_form(plan, index);
    for (size_t p = 0; p < form->part_count; p++)
        if (is_written(plan, index, &form->part[p]))
            TRY(add_part(plan, index, &form->part[p], err));
    return STATUS_OK;
}

enum status outputs_carry(struct plan *plan, uint32_t tensor, const struct options *options, struct err *err)
{
    const struct tensor *source = &plan->model->tensor[tensor];
    struct output_tensor output = {.name = source->out_name,
                                   .shape = source->shape,
                                   .rank = source->rank,
                                   .dtype = source->dtype,
                                   .bytes = source->bytes,
                                   .source = tensor,
                                   .step = STEP_COPY};
    const enum dtype to = options->dtype == DTYPE_NONE ? source->dtype : options->dtype;
    if (dtype_is_plain_float(source->dtype) && (source->dtype != to || source->shift != 0)) {
        output.step = STEP_CAST;
        output.dtype = to;
        output.exactness = plan->survey->tensor[tensor].cast.inexact > 0 ? EXACTNESS_ROUNDED : EXACTNESS_EXACT;
        if (!checked_mul(model_elements(source), dtype_bits(output.dtype) / 8, &output.bytes))
            return err_set(err, STATUS_LIMIT, output.name, "the output tensor is larger than 2^64 bytes");
    }
    return append(plan, &output, err);
}

enum status outputs_drop(struct plan *plan, uint32_t tensor, struct err *err)
{
    const enum fate fate = plan->model->tensor[tensor].fate;
    return drop(plan, tensor, fate == FATE_CARRY ? "excluded" : fate == FATE_DROP_TWIN ? "identical copy" : "norm bias of zeros", err);
}

/* --- files ------------------------------------------------------------------------------------------------------------------ */

static int by_file(const void *a, const void *b)
{
    const struct output_tensor *left = a, *right = b;
    if (left->file != right->file)
        return left->file < right->file ? -1 : 1;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* Source files whose tensors all moved elsewhere leave no empty output. Expects the tensors sorted by file. */
static size_t number_files(struct plan *plan)
{
    uint32_t last = MODEL_NONE;
    size_t files = 0;
    for (size_t t = 0; t < plan->tensor_count; t++) {
        if (plan->tensor[t].file != last)
            files++;
        last = plan->tensor[t].file;
        plan->tensor[t].file = (uint32_t)(files - 1);
    }
    return files;
}

/* Lays out the tensors [first, first + count) of file `file`. */
static enum status lay_out(struct plan *plan, size_t file, size_t first, size_t count, struct map *names, struct err *err)
{
    struct safetensors_entry *entry = mem_alloc(count, sizeof *entry, err);
    if (entry == NULL)
        return STATUS_LIMIT;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct output_tensor *output = &plan->tensor[first + i];
        uint32_t existing;
        entry[i] = (struct safetensors_entry){output->name, output->shape, output->rank, output->dtype, output->bytes, 0};
        status = map_add(names, slice_of(output->name), (uint32_t)(first + i), &existing, err);
        if (status == STATUS_OK && existing != MAP_NONE)
            status = err_set(err, STATUS_CORRUPT, output->name, "found two tensors that take this name in the output");
    }
    if (status == STATUS_OK)
        status = safetensors_layout(entry, count, plan->target->metadata != NULL ? plan->target->metadata : "pt", &plan->file[file].header,
                                    &plan->file[file].bytes, err);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        plan->tensor[map_find(names, slice_of(entry[i].name))].offset = entry[i].offset;
    free(entry);
    return status;
}

enum status outputs_files(struct plan *plan, const struct options *options, struct err *err)
{
    if (plan->tensor_count > 1)
        qsort(plan->tensor, plan->tensor_count, sizeof *plan->tensor, by_file);
    plan->file_count = number_files(plan);
    plan->file = mem_alloc(plan->file_count + 1, sizeof *plan->file, err);
    if (plan->file == NULL) {
        plan->file_count = 0;
        return STATUS_LIMIT;
    }
    if (plan->tensor_count == 0 && options->exclude != NULL)
        return err_set(err, STATUS_USAGE, "--exclude", "found that it names every tensor, expected some to be left");
    if (plan->tensor_count == 0)
        return err_set(err, STATUS_CORRUPT, plan->model->dir, "found no tensors to write");
    struct map names = {0};
    enum status status = STATUS_OK;
    for (size_t f = 0, first = 0; f < plan->file_count && status == STATUS_OK; f++) {
        size_t count = 0;
        while (first + count < plan->tensor_count && plan->tensor[first + count].file == f)
            count++;
        plan->file[f].name =
            options->one_file != NULL ? options->one_file : shards_name(plan->names.stem, f + 1, plan->file_count, false, &plan->arena, err);
        status = plan->file[f].name == NULL ? STATUS_LIMIT : lay_out(plan, f, first, count, &names, err);
        plan->file_bytes += plan->file[f].bytes;
        first += count;
    }
    map_free(&names);
    TRY(status);
    if (plan->file_count > 1) {
        plan->index_name = arena_format(&plan->arena, err, "%s.safetensors.index.json", plan->names.stem);
        if (plan->index_name == NULL)
            return STATUS_LIMIT;
    }
    if (plan->tensor_count > 1)
        qsort(plan->tensor, plan->tensor_count, sizeof *plan->tensor, by_file);
    return STATUS_OK;
}
