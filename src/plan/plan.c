#include "plan/plan.h"

#include "base/checked.h"
#include "base/limits.h"
#include "plan/gap.h"
#include "plan/outputs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *plan_step_name(enum step step)
{
    static const char *const names[] = {"copy", "cast", "codes", "scales", "zeros", "group_of"};
    _Static_assert(sizeof names / sizeof names[0] == STEP_COUNT, "one name a step");
    return names[step];
}

const char *plan_exactness_name(enum exactness exactness)
{
    static const char *const names[] = {"bytes", "exact", "rounded", "lossy"};
    _Static_assert(sizeof names / sizeof names[0] == EXACTNESS_COUNT, "one name a class");
    return names[exactness];
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

/* Group size that every weight is refined to; 0 keeps each one's own. */
static enum status choose_group(struct plan *plan, const struct options *options, int64_t *group, struct err *err)
{
    *group = options->group;
    if (*group != 0 || plan->target->can.mixed)
        return STATUS_OK;
    *group = gap_common_group(plan->model);
    uint64_t smallest = UINT64_MAX;
    for (size_t w = 0; w < plan->model->weight_count; w++)
        if (plan->model->weight[w].groups > 1 && plan->model->weight[w].spec.group < smallest)
            smallest = plan->model->weight[w].spec.group;
    if (*group > 0 && (uint64_t)*group < smallest)
        return plan_warn(plan, err, "%s has one group size: all weights are refined to groups of %" PRId64, plan->target->name, *group);
    return STATUS_OK;
}

static enum status decide_weights(struct plan *plan, const struct options *options, struct err *err)
{
    int64_t group;
    plan->spec = arena_alloc(&plan->arena, plan->model->weight_count, sizeof *plan->spec, err);
    if (plan->spec == NULL)
        return STATUS_LIMIT;
    if (plan->model->weight_count > 0 && !plan->target->can.writes)
        return err_set(err, STATUS_UNSUPPORTED, plan->target->name, "found quantized weights, which this version does not write in this format");
    if (plan->model->weight_count > 0 && plan->target->width_count == 0) {
        (void)err_set(err, STATUS_UNSUPPORTED, plan->model->weight[0].name, "found a quantized weight: this version does not dequantize to %s",
                      plan->target->name);
        return err_try(err, "--to awq, gptq or gptq_v2");
    }
    TRY(choose_group(plan, options, &group, err));
    const struct gap gap = {plan->model, plan->survey, plan->target, options, group};
    plan->symmetric = true;
    for (uint32_t w = 0; w < plan->model->weight_count; w++) {
        TRY(gap_weight(&gap, w, &plan->spec[w], err));
        plan->symmetric = plan->symmetric && plan->survey->weight[w].groups.not_mid == 0;
        plan->act_order = plan->act_order || !plan->survey->weight[w].trivial_group_of;
    }
    return STATUS_OK;
}

static enum status warn_weights(struct plan *plan, struct err *err)
{
    const struct capability *can = &plan->target->can;
    size_t narrow = 0, negative = 0, all_zero = 0;
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        const struct weight *weight = &plan->model->weight[w];
        narrow += (can->out_warn > 0 && weight->out % can->out_warn != 0) || (can->in_warn > 0 && weight->in % can->in_warn != 0);
        negative += plan->survey->weight[w].groups.negative > 0;
        all_zero += plan->survey->weight[w].zero_group_of;
    }
    if (narrow > 0)
        TRY(plan_warn(plan, err, "%zu weights have out_features that are no multiple of %u or in_features that are none of %u, which %s ask for", narrow,
                      can->out_warn, can->in_warn, can->warn_why));
    if (negative > 0)
        TRY(plan_warn(plan, err, "%zu weights have negative scales, which some kernels take for an error", negative));
    if (all_zero > 0)
        TRY(plan_warn(plan, err, "%zu weights have a g_idx of zeros only: it is read as groups in order", all_zero));
    if (plan->model->weight_count > 0 && !plan->symmetric && can->warn_asymmetric != NULL)
        TRY(plan_warn(plan, err, "the zero points are asymmetric: %s", can->warn_asymmetric));
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
    const struct gap gap = {plan->model, plan->survey, plan->target, options, 0};
    struct sharding sharding = {.bytes_max = options->one_file != NULL ? UINT64_MAX : options->shard_bytes_max};
    for (uint32_t i = 0; i < plan->model->tensor_count; i++) {
        const struct tensor *tensor = &plan->model->tensor[i];
        const size_t first = plan->tensor_count;
        TRY(gap_tensor(&gap, i, err));
        if (tensor->fate == FATE_CLAIMED && plan->model->weight[tensor->peer].role[ROLE_CODES] == i)
            TRY(outputs_weight(plan, tensor->peer, err));
        else if (tensor->fate == FATE_CARRY)
            TRY(outputs_carry(plan, i, options, err));
        else if (tensor->fate != FATE_CLAIMED)
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

static void tally_classes(struct plan *plan)
{
    for (size_t t = 0; t < plan->tensor_count; t++) {
        const struct output_tensor *output = &plan->tensor[t];
        plan->count_of[output->exactness]++;
        if (output->exactness != EXACTNESS_ROUNDED)
            continue;
        const struct cast_tally *cast = output->step == STEP_SCALES ? &plan->survey->weight[output->source].scales
                                                                     : &plan->survey->tensor[output->source].cast;
        if (plan->max_relative_of != NULL && cast->max_relative <= plan->max_relative)
            continue;
        plan->max_relative = cast->max_relative;
        plan->max_relative_of = output->name;
    }
}

enum status plan_make(struct plan *plan, const struct model *model, const struct survey *survey, const struct format *target,
                      const struct options *options, struct err *err)
{
    *plan = (struct plan){.model = model, .survey = survey, .target = target, .no_group_of = options->no_group_of};
    TRY(decide_weights(plan, options, err));
    TRY(add_outputs(plan, options, err));
    TRY(warn_weights(plan, err));
    TRY(outputs_files(plan, options, err));
    tally_classes(plan);
    return STATUS_OK;
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
