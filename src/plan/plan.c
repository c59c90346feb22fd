#include "plan/plan.h"

#include "base/checked.h"
#include "base/limits.h"
#include "plan/ggufplan.h"
#include "plan/ggufshards.h"
#include "plan/gap.h"
#include "plan/outputs.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APART_MIN 0x1p-22 /* more than F32 arithmetic in another order explains */

const char *plan_step_name(enum step step)
{
    static const char *const names[] = {"copy",  "cast",  "codes",  "scales",      "zeros",      "beta",      "group_of",  "shape",
                                        "dense", "embed", "blocks", "input_scale", "input_zero", "deq_scale", "quant_bias"};
    _Static_assert(sizeof names / sizeof names[0] == STEP_COUNT, "one name a step");
    return names[step];
}

const char *plan_exactness_name(enum exactness exactness)
{
    static const char *const names[] = {"bytes", "exact", "rounded", "lossy"};
    _Static_assert(sizeof names / sizeof names[0] == EXACTNESS_COUNT, "one name a class");
    return names[exactness];
}

const char *plan_moved_name(enum moved moved)
{
    static const char *const names[] = {"none", "rows", "inputs"};
    return names[moved];
}

enum status plan_warn(struct plan *plan, struct err *err, const char *format, ...)
{
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    TRY(mem_grow((void **)&plan->warning, &plan->warning_capacity, plan->warning_count + 1, sizeof *plan->warning, err));
    const char *copy = arena_copy(&plan->arena, text, strlen(text), err);
    if (copy == NULL)
        return STATUS_LIMIT;
    plan->warning[plan->warning_count++] = copy;
    return STATUS_OK;
}

/* --- what the whole checkpoint is like ------------------------------------------------------------------------------------ */

bool plan_keeps(const struct plan *plan, size_t index)
{
    return !plan->aims->weight[index].dense && !plan->aims->weight[index].excluded;
}

const struct form *plan_form(const struct plan *plan, size_t index)
{
    return &plan->target->form[plan->spec[index].form];
}

/* The largest group size that the engine of --for takes and that refines every weight; 0 where each one's own is taken already, or none is. */
static int64_t engine_group(const struct plan *plan, const struct constraints *constraints)
{
    uint64_t common = 0;
    bool fits = true;
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        const struct weight *weight = &plan->model->weight[w];
        if (!plan_keeps(plan, w))
            continue;
        fits = fits && constraints_group_fits(constraints, weight->spec.group, weight->groups == 1);
        common = gap_common_divisor(common, weight->spec.group);
    }
    uint64_t best = 0;
    for (uint64_t size = 16; !fits && size <= UINT64_C(1) << 30; size *= 2)
        if (constraints_group_fits(constraints, size, false) && common % size == 0)
            best = size;
    return (int64_t)best;
}

/* Group size that weights are refined to; 0 keeps each one's own. */
static enum status choose_group(struct plan *plan, const struct options *options, int64_t *group, struct err *err)
{
    *group = options->group;
    if (*group == 0 && options->constraints != NULL && options->constraints->groups != 0)
        *group = engine_group(plan, options->constraints);
    if (*group != 0 || plan->target->can.groups == GROUPS_EACH)
        return STATUS_OK;
    *group = gap_common_group(plan->model, plan->aims, &plan->target->can);
    uint64_t smallest = UINT64_MAX;
    for (size_t w = 0; w < plan->model->weight_count; w++)
        if (plan_keeps(plan, w) && plan->model->weight[w].groups > 1 && plan->model->weight[w].spec.group < smallest)
            smallest = plan->model->weight[w].spec.group;
    if (*group > 0 && (uint64_t)*group < smallest)
        return plan_warn(plan, err, "%s has one group size: all weights are refined to groups of %" PRId64, plan->target->name, *group);
    return STATUS_OK;
}

/* Weights of one width in the target keep their zeros alike: engines fuse q, k and v. */
static uint32_t find_asymmetric(const struct plan *plan)
{
    uint32_t asymmetric = 0;
    for (size_t w = 0; w < plan->model->weight_count; w++)
        if (plan_keeps(plan, w) && plan->survey->weight[w].groups.not_mid > 0)
            asymmetric |= plan->aims->weight[w].bits < 32 ? 1u << plan->aims->weight[w].bits : 0;
    return asymmetric;
}

static enum status decide_weights(struct plan *plan, const struct options *options, struct err *err)
{
    int64_t group;
    plan->spec = arena_alloc(&plan->arena, plan->model->weight_count, sizeof *plan->spec, err);
    if (plan->spec == NULL)
        return STATUS_LIMIT;
    if (plan->model->weight_count > 0 && !plan->target->can.writes)
        return err_set(err, STATUS_UNSUPPORTED, plan->target->name, "found quantized weights, which this version does not write in this format");
    TRY(choose_group(plan, options, &group, err));
    const struct gap gap = {plan->model, plan->survey, plan->aims, plan->target, options, group, find_asymmetric(plan)};
    plan->symmetric = true;
    for (uint32_t w = 0; w < plan->model->weight_count; w++) {
        if (plan->aims->weight[w].excluded)
            continue;
        TRY(gap_weight(&gap, w, &plan->spec[w], err));
        if (!plan_keeps(plan, w))
            continue;
        plan->kept_count++;
        plan->symmetric = plan->symmetric && plan->survey->weight[w].groups.not_mid == 0;
        plan->act_order = plan->act_order || !plan->survey->weight[w].trivial_group_of;
    }
    return STATUS_OK;
}

/* Rounding anew changes codes, and nothing else: what the target does not hold beside them is refused as ever, and so are weights of floats, whose
 * width was asked for, and stacks of experts. */
static bool may_be_rounded(const struct plan_input *input, uint32_t index)
{
    const struct weight *weight = &input->model->weight[index];
    const enum activation activation = input->aims->weight[index].activation;
    bool held = activation == ACTIVATION_NONE || (activation == ACTIVATION_DYNAMIC && weight->spec.grid == GRID_MINIFLOAT); /* nothing is stored */
    for (size_t f = 0; f < input->target->form_count; f++)
        held = held || input->target->form[f].activation == activation;
    return held && weight->origin == NULL && weight->spec.experts == 0;
}

enum status plan_refused(const struct plan_input *input, bool *refused, struct err *err)
{
    struct plan plan = {.model = input->model, .survey = input->survey, .aims = input->aims, .target = input->target};
    int64_t group = 0;
    enum status status = choose_group(&plan, input->options, &group, err);
    const struct gap gap = {input->model, input->survey, input->aims, input->target, input->options, group, find_asymmetric(&plan)};
    for (uint32_t w = 0; status == STATUS_OK && w < input->model->weight_count; w++) {
        struct spec spec;
        if (input->aims->weight[w].excluded)
            continue;
        const enum status own = gap_weight(&gap, w, &spec, err);
        const bool refusal = own == STATUS_UNREPRESENTABLE || own == STATUS_UNSUPPORTED;
        refused[w] = refusal && may_be_rounded(input, w);
        status = refusal ? STATUS_OK : own;
    }
    plan_free(&plan);
    return status;
}

/* How many weights that keep their codes have a property that a warning tells of. */
struct oddities {
    size_t ragged, narrow, negative, all_zero, old_zeros, ordered, mixed_bits;
    double apart; /* survey_weight.apart, at most */
};

static struct oddities count_oddities(const struct plan *plan)
{
    const struct capability *can = &plan->target->can;
    struct oddities odd = {0};
    unsigned bits = 0;
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        const struct weight *weight = &plan->model->weight[w];
        if (!plan_keeps(plan, w))
            continue;
        odd.narrow += (can->out_warn > 0 && weight->out % can->out_warn != 0) || (can->in_warn > 0 && weight->in % can->in_warn != 0);
        odd.ragged += weight->in % plan->spec[w].group != 0;
        odd.negative += can->grid == GRID_AFFINE_ZERO && plan->survey->weight[w].groups.negative > 0;
        odd.all_zero += plan->survey->weight[w].zero_group_of;
        odd.old_zeros += plan->survey->weight[w].old_zeros;
        odd.ordered += !plan->survey->weight[w].trivial_group_of;
        odd.apart = fmax(odd.apart, plan->survey->weight[w].apart);
        bits = bits == 0 ? plan->spec[w].bits : bits;
        odd.mixed_bits += plan->spec[w].bits != bits;
    }
    return odd;
}

static enum status warn_weights(struct plan *plan, bool exact, struct err *err)
{
    const struct capability *can = &plan->target->can;
    const struct oddities odd = count_oddities(plan);
    if (plan->aims->idle[0])
        TRY(plan_warn(plan, err, "--keep names no weight of this checkpoint"));
    if (plan->aims->idle[1])
        TRY(plan_warn(plan, err, "--exclude names no tensor of this checkpoint"));
    if (odd.narrow > 0)
        TRY(plan_warn(plan, err, "%zu weights have out_features that are no multiple of %u or in_features that are none of %u, which %s ask for",
                      odd.narrow, can->out_warn, can->in_warn, can->warn_why));
    if (odd.ragged > 0 && can->warn_short != NULL)
        TRY(plan_warn(plan, err, "%zu weights have a last group that is shorter than the others: %s", odd.ragged, can->warn_short));
    if (odd.negative > 0)
        TRY(plan_warn(plan, err, "%zu weights have negative scales, which some kernels take for an error", odd.negative));
    if (odd.all_zero > 0)
        TRY(plan_warn(plan, err, "%zu weights have a g_idx of zeros only: it is read as groups in order", odd.all_zero));
    if (odd.old_zeros > 0)
        TRY(plan_warn(plan, err, "%zu weights have the 3-bit zeros that GPTQModel wrote before 2026-04-17 (wrong constants): they are read as 4",
                      odd.old_zeros));
    if (odd.ordered > 0 && can->warn_order != NULL)
        TRY(plan_warn(plan, err, "%zu weights have groups in activation order: %s", odd.ordered, can->warn_order));
    if (odd.apart > APART_MIN && exact) {
        (void)err_set(
            err, STATUS_UNREPRESENTABLE, plan->target->name,
            "found no place for deq_scale and quant_bias, which the other parameters give to within %.2g of their value, and --exact was given (R-SCALE)",
            odd.apart);
        return err_try(err, "leave --exact out");
    }
    if (odd.apart > APART_MIN)
        TRY(plan_warn(plan, err, "deq_scale and quant_bias are dropped, which the other parameters give to within %.2g of their value", odd.apart));
    if (plan->kept_count > 0 && !plan->symmetric && can->warn_asymmetric != NULL)
        TRY(plan_warn(plan, err, "the zero points are asymmetric: %s", can->warn_asymmetric));
    if (odd.mixed_bits > 0 && !can->mixed_bits)
        return err_set(err, STATUS_UNREPRESENTABLE, plan->target->name, "found weights of several widths, which %s cannot hold in one checkpoint (R-MIXED)",
                       plan->target->name);
    return STATUS_OK;
}

/* --- shards ---------------------------------------------------------------------------------------------------------------- */

/* Where outputs go: one file per source file, or greedily up to a size. */
struct sharding {
    uint64_t bytes_max; /* 0: by source file */
    uint64_t bytes;     /* in the current file */
    uint32_t file;      /* the current file, greedy */
};

static uint32_t choose_file(struct sharding *sharding, uint32_t source_file, uint64_t bytes)
{
    if (sharding->bytes_max == 0)
        return source_file;
    if (sharding->bytes > 0 && (bytes > sharding->bytes_max || sharding->bytes > sharding->bytes_max - bytes)) {
        sharding->file++;
        sharding->bytes = 0;
    }
    sharding->bytes += bytes;
    return sharding->file;
}

/* Outputs in the order of the source's tensors; a weight stands where its codes stand, in one shard. */
static enum status add_outputs(struct plan *plan, const struct options *options, struct err *err)
{
    const struct gap gap = {plan->model, plan->survey, plan->aims, plan->target, options, 0, 0};
    struct sharding sharding = {.bytes_max = options->one_file != NULL      ? UINT64_MAX
                                             : options->shard_bytes_max > 0 ? options->shard_bytes_max
                                                                            : plan->model->shard_bytes};
    for (uint32_t i = 0; i < plan->model->tensor_count; i++) {
        const struct tensor *tensor = &plan->model->tensor[i];
        const size_t first = plan->tensor_count;
        if (tensor->fate == FATE_PIECE)
            continue;
        TRY(gap_tensor(&gap, i, err));
        if (tensor->fate == FATE_CLAIMED)
            TRY(outputs_claimed(plan, i, err));
        else if (tensor->fate == FATE_CARRY && !plan->aims->excluded[i])
            TRY(outputs_carry(plan, i, options, err));
        else
            TRY(outputs_drop(plan, i, err));
        uint64_t bytes = 0;
        for (size_t t = first; t < plan->tensor_count; t++)
            bytes += plan->tensor[t].bytes;
        const uint32_t file = plan->tensor_count > first ? choose_file(&sharding, tensor->file, bytes) : 0;
        for (size_t t = first; t < plan->tensor_count; t++)
            plan->tensor[t].file = file;
        if (!checked_add(plan->tensor_bytes, bytes, &plan->tensor_bytes))
            return err_set(err, STATUS_LIMIT, "plan", "the output is larger than 2^64 bytes");
    }
    return STATUS_OK;
}

/* What casting did to an output that is rounded. */
static const struct cast_tally *cast_of(const struct plan *plan, const struct output_tensor *output)
{
    switch (output->step) {
    case STEP_SCALES:
        return &plan->survey->weight[output->source].scales;
    case STEP_INPUT_SCALE:
        return &plan->survey->weight[output->source].input;
    case STEP_DEQ_SCALE:
        return &plan->survey->weight[output->source].products;
    case STEP_BETA:
    case STEP_ZEROS:
        return &plan->survey->weight[output->source].zeros;
    case STEP_DENSE:
        return &plan->survey->weight[output->source].values;
    case STEP_CAST:
        return &plan->survey->tensor[output->source].cast;
    case STEP_EMBED:
    case STEP_BLOCKS:
        return ggufplan_cast(plan, output);
    default:
        return NULL;
    }
}

/* What gap let pass under --exact is rounded all the same: a product or a quotient that the target wants. */
static enum status refuse_rounded(const struct plan *plan, const struct output_tensor *output, struct err *err)
{
    const struct format *source = registry_find(plan->model->format);
    const bool moves = source != NULL && source->can.writes && source != plan->target;
    (void)err_set(err, STATUS_UNREPRESENTABLE, output->name, "found %s that are computed, and rounded, and --exact was given (R-SCALE)",
                  plan_step_name(output->step));
    return moves ? err_try(err, "leave --exact out, or --to %s, which holds what is stored", source->name) : err_try(err, "leave --exact out");
}

/* A stored deq_scale and quant_bias belong to the scales as they are stored. */
static enum status check_products(const struct plan *plan, const struct output_tensor *output, struct err *err)
{
    const struct survey_weight *seen = output->step == STEP_DEQ_SCALE ? &plan->survey->weight[output->source] : NULL;
    if (seen == NULL || output->exactness != EXACTNESS_BYTES || seen->scales.inexact + seen->input.inexact == 0)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, output->name, "found the product of an input scale and scales that --dtype would round (R-SCALE)");
    return err_try(err, "leave --dtype out: they keep their dtype, and deq_scale and quant_bias fit them");
}

static enum status tally_classes(struct plan *plan, bool exact, struct err *err)
{
    for (size_t t = 0; t < plan->tensor_count; t++) {
        const struct output_tensor *output = &plan->tensor[t];
        const struct cast_tally *cast = cast_of(plan, output);
        plan->count_of[output->exactness]++;
        if (exact && output->exactness == EXACTNESS_ROUNDED)
            return refuse_rounded(plan, output, err);
        TRY(check_products(plan, output, err));
        if (output->step == STEP_QUANT_BIAS)
            plan->tensor[t].max_error = plan->survey->weight[output->source].bias_error;
        if (output->exactness != EXACTNESS_ROUNDED || cast == NULL)
            continue;
        plan->tensor[t].zeroed = cast->underflow;
        plan->zeroed += cast->underflow;
        const double largest = cast->underflow > 0 ? 1.0 : cast->max_relative; /* what became zero is off by all of itself */
        plan->tensor[t].max_relative = largest;
        if (largest <= plan->max_relative)
            continue;
        plan->max_relative = largest;
        plan->max_relative_of = output->name;
    }
    return STATUS_OK;
}

const struct round_tally *plan_rounding(const struct plan *plan, size_t index)
{
    return plan->model->weight[index].origin == NULL || plan->rounding == NULL ? NULL : &plan->rounding[index];
}

/* The survey goes before the report is printed. */
static enum status keep_roundings(struct plan *plan, struct err *err)
{
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        if (plan->model->weight[w].origin == NULL)
            continue;
        if (plan->rounding == NULL)
            plan->rounding = arena_alloc(&plan->arena, plan->model->weight_count, sizeof *plan->rounding, err);
        if (plan->rounding == NULL)
            return STATUS_LIMIT;
        plan->rounding[w] = plan->survey->weight[w].rounding;
    }
    return STATUS_OK;
}

/* The file names of the form that most weights take. */
static enum status choose_names(struct plan *plan, struct err *err)
{
    size_t count[256] = {0}, best = 0;
    plan->names = plan->target->names;
    if (plan->target->rename == NULL || plan->kept_count == 0)
        return STATUS_OK;
    for (size_t w = 0; w < plan->model->weight_count; w++)
        if (plan_keeps(plan, w))
            count[plan->spec[w].form]++;
    for (size_t f = 0; f < plan->target->form_count; f++)
        best = count[f] > count[best] ? f : best;
    return plan->target->rename(&plan->target->form[best], plan->variant, &plan->arena, &plan->names, err);
}

enum status plan_make(struct plan *plan, const struct plan_input *input, struct err *err)
{
    const struct options *options = input->options;
    *plan = (struct plan){.model = input->model,
                          .survey = input->survey,
                          .aims = input->aims,
                          .target = input->target,
                          .no_group_of = options->no_group_of,
                          .variant = options->variant};
    if (input->gguf != NULL) {
        plan->arrangement = input->gguf->arrangement;
        TRY(ggufplan_tensors(plan, options, err));
        TRY(ggufshards_files(plan, input->gguf, options, err));
    } else {
        TRY(decide_weights(plan, options, err));
        TRY(choose_names(plan, err));
        TRY(add_outputs(plan, options, err));
        TRY(warn_weights(plan, options->exact, err));
        TRY(outputs_files(plan, options, err));
    }
    TRY(tally_classes(plan, options->exact, err));
    return keep_roundings(plan, err);
}

void plan_forget_headers(struct plan *plan)
{
    for (size_t f = 0; f < plan->file_count; f++)
        text_free(&plan->file[f].header);
}

void plan_free(struct plan *plan)
{
    plan_forget_headers(plan);
    free(plan->file);
    free(plan->tensor);
    free(plan->dropped);
    free(plan->warning);
    arena_free(&plan->arena);
    *plan = (struct plan){0};
}
