#include "plan/survey.h"

#include "base/le.h"
#include "codec/half.h"
#include "base/pool.h"
#include "plan/survey_activation.h"
#include "plan/survey_blocks.h"
#include "plan/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SURVEY_PAIRS_MAX (UINT64_C(1) << 18)  /* (out, group) pairs in flight: about 4 MB of parameters a worker */
#define SURVEY_VALUES_MAX (UINT64_C(1) << 20) /* weights in flight that become floats: about 10 MB a worker */
#define SURVEY_BYTES_MAX (UINT64_C(1) << 20)
#define SURVEY_ALIGN 64 /* rows: a multiple of every layout's run along out */

struct surveying {
    struct survey *survey;
    const struct fetch *fetch;
    const struct aims *aims;
    struct scratch *scratch; /* [workers] */
};

/* --- weights ------------------------------------------------------------------------------------------------------------- */

/* What the target's scales, and its offsets or betas, do to the parameters at hand. */
static enum status survey_casts(const struct weight *weight, const struct aim *aim, const struct params *params, struct scratch *scratch,
                                struct survey_weight *result, struct err *err)
{
    const struct spec *spec = &weight->spec;
    const size_t count = params->count;
    if (spec->scale_rule == SCALE_ABSMAX) {                                  /* a product in F32 */
        result->scales.count += aim->dtype == spec->scale_dtype ? count : 0; /* else the cast below counts them */
        result->scales.inexact = result->scales.count;
        result->scales.max_relative = fmax(result->scales.max_relative, 0x1p-24);
    }
    if (aim->dtype == spec->scale_dtype && aim->zeros != ZERO_BETA && aim->zeros != ZERO_OFFSET)
        return STATUS_OK;
    void *stored = scratch_take(scratch, SCRATCH_STORE, count * sizeof(float), err);
    float *value = scratch_take(scratch, SCRATCH_VALUE, count * sizeof *value, err);
    if (stored == NULL || value == NULL)
        return STATUS_LIMIT;
    const float *scale = params->scale;
    if (aim->dtype != spec->scale_dtype) {
        half_store(aim->dtype, params->scale, count, stored, &result->scales);
        half_load(aim->dtype, stored, count, value);
        if (spec->scale_rule == SCALE_ABSMAX)
            result->scales.inexact = result->scales.count;
        scale = value;
    }
    if (aim->zeros == ZERO_BETA && spec->zero_kind == ZERO_BETA) {
        half_store(aim->dtype, params->beta, count, stored, &result->zeros);
    } else if (aim->zeros == ZERO_BETA && result->groups.fractions == 0) {
        const size_t inexact = group_betas(params->zero, scale, count, 0, value);
        half_store(aim->dtype, value, count, stored, &result->zeros);
        result->zeros.inexact += inexact;
    } else if (aim->zeros == ZERO_OFFSET && params->offset != NULL) {
        for (size_t i = 0; i < count; i++) /* a dead group's stands for nothing */
            value[i] = params->scale[i] == 0.0f ? 0.0f : params->offset[i];
        half_store(aim->dtype, value, count, stored, &result->zeros);
    }
    return STATUS_OK;
}

static enum status survey_params(const struct surveying *context, uint32_t index, struct scratch *scratch, struct survey_weight *result, struct err *err)
{
    const struct weight *weight = &context->fetch->model->weight[index];
    const struct aim *aim = context->aims == NULL ? NULL : &context->aims->weight[index];
    uint64_t step = SURVEY_PAIRS_MAX / weight->groups / SURVEY_ALIGN * SURVEY_ALIGN;
    if (step == 0)
        step = SURVEY_ALIGN;
    result->groups = group_tally_start();
    for (uint64_t out0 = 0; out0 < weight->out; out0 += step) {
        const struct area area = {out0, weight->out - out0 < step ? weight->out - out0 : step, 0, weight->groups};
        struct group_tally part = group_tally_start();
        struct params params;
        TRY(params_load(context->fetch, weight, area, scratch, &params, err));
        group_measure(params.scale, params.offset, params.zero, params.count, weight->spec.bits, &part);
        part.bad_zeros += params.bad;
        round_tally_add(&result->rounding, &params.rounding);
        result->old_zeros = result->old_zeros || params.old_zeros;
        group_tally_add(&result->groups, &part);
        result->ambiguous += params_ambiguous(context->fetch, weight, area, &params);
        if (aim != NULL && aim->blocks)
            survey_blocks_minima(weight, &params, &result->embed);
        if (aim != NULL && !aim->dense)
            TRY(survey_casts(weight, aim, &params, scratch, result, err));
    }
    return STATUS_OK;
}

/* What rounding does to the values of a weight that becomes floats. */
static enum status survey_values(const struct surveying *context, uint32_t index, struct scratch *scratch, struct survey_weight *result, struct err *err)
{
    const struct weight *weight = &context->fetch->model->weight[index];
    const uint64_t fit = SURVEY_VALUES_MAX / weight->in / SURVEY_ALIGN * SURVEY_ALIGN, step = fit == 0 ? SURVEY_ALIGN : fit;
    struct values_ahead ahead = {.step = step, .bytes_max = VALUES_AHEAD_BYTES};
    for (uint64_t out0 = 0; out0 < weight->out; out0 += step) {
        struct affine_loss loss = {0};
        struct values_rows rows = {out0, weight->out - out0, result->zero_group_of, &loss, &ahead};
        float *values;
        TRY(values_read_ahead(context->fetch, weight, rows, scratch, &ahead, err));
        rows.out = rows.out < step ? rows.out : step;
        TRY(values_load(context->fetch, weight, rows, scratch, &values, err));
        void *stored = scratch_take(scratch, SCRATCH_STORE, rows.out * weight->in * sizeof *values, err);
        if (stored == NULL)
            return STATUS_LIMIT;
        half_store(context->aims->weight[index].dtype, values, (size_t)(rows.out * weight->in), stored, &result->values);
        result->values.inexact += loss.inexact;
        if (loss.max_relative > result->values.max_relative)
            result->values.max_relative = loss.max_relative;
    }
    return STATUS_OK;
}

/* compressed-tensors cuts the sorted columns into equal groups, whatever the map says. */
static bool is_uneven(const uint32_t *group_of, const struct weight *weight, uint64_t *count)
{
    memset(count, 0, (size_t)weight->groups * sizeof *count);
    for (uint64_t k = 0; k < weight->in; k++)
        count[group_of[k]]++;
    for (uint64_t g = 0; g < weight->groups; g++) {
        const uint64_t first = g * weight->spec.group, left = weight->in - first;
        if (count[g] != (left < weight->spec.group ? left : weight->spec.group))
            return true;
    }
    return false;
}

static enum status survey_group_of(const struct surveying *context, const struct weight *weight, struct scratch *scratch, struct survey_weight *result,
                                   struct err *err)
{
    uint32_t *group_of;
    result->trivial_group_of = true;
    result->group_run = weight->groups == 1 ? weight->in : weight->spec.group;
    if (weight->role[ROLE_GROUP_OF] == MODEL_NONE)
        return STATUS_OK;
    TRY(decode_group_of(context->fetch, weight, false, scratch, &group_of, err));
    for (uint64_t k = 0; k < weight->in && !result->negative_group_of; k += 1024) {
        int32_t stored[1024];
        const uint64_t count = weight->in - k < 1024 ? weight->in - k : 1024;
        TRY(fetch_bytes(context->fetch, weight->role[ROLE_GROUP_OF], 4 * k, stored, 4 * count, err));
        for (uint64_t i = 0; i < count; i++)
            result->negative_group_of = result->negative_group_of || stored[i] < 0;
    }
    result->trivial_group_of = group_of_is_trivial(group_of, weight->in, weight->spec.group);
    if (result->trivial_group_of || weight->groups == 1)
        return STATUS_OK;
    uint64_t *count = scratch_take(scratch, SCRATCH_OTHER, weight->groups * sizeof *count, err);
    if (count == NULL)
        return STATUS_LIMIT;
    result->uneven_group_of = is_uneven(group_of, weight, count);
    for (uint64_t k = 0; k < weight->in; k++) {
        if (group_of[k] == 0)
            continue;
        result->group_run = survey_blocks_run(group_of, weight->in);
        return STATUS_OK;
    }
    result->uneven_group_of = false;
    result->zero_group_of = true; /* "no act-order": exllamav2's reading of such files (gptq.md section 3) */
    result->trivial_group_of = true;
    return STATUS_OK;
}

/* --- tensors ------------------------------------------------------------------------------------------------------------- */

static enum status survey_twin(const struct surveying *context, uint32_t index, struct scratch *scratch, struct survey_tensor *result, struct err *err)
{
    const struct model *model = context->fetch->model;
    const struct tensor *a = &model->tensor[index], *b = &model->tensor[a->peer];
    result->first_difference = UINT64_MAX;
    if (a->dtype != b->dtype || a->bytes != b->bytes) {
        result->first_difference = 0;
        return STATUS_OK;
    }
    for (uint64_t at = 0; at < a->bytes; at += SURVEY_BYTES_MAX) {
        const uint64_t size = a->bytes - at < SURVEY_BYTES_MAX ? a->bytes - at : SURVEY_BYTES_MAX;
        uint8_t *left = scratch_take(scratch, SCRATCH_RAW, size, err), *right = scratch_take(scratch, SCRATCH_TURNED, size, err);
        if (left == NULL || right == NULL)
            return STATUS_LIMIT;
        TRY(fetch_bytes(context->fetch, index, at, left, size, err));
        TRY(fetch_bytes(context->fetch, a->peer, at, right, size, err));
        for (uint64_t i = 0; i < size; i++) {
            if (left[i] == right[i])
                continue;
            result->first_difference = at + i;
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

/* What happens to values on their way: 1 may be added or taken away, and they are rounded to another dtype. */
static void tally_cast(const struct aim_tensor *aim, float *values, size_t count, void *stored, struct cast_tally *tally)
{
    for (size_t i = 0; aim->add != 0 && i < count; i++) {
        const float single = values[i] + (float)aim->add, sum = aim->half ? half_from_f16(half_to_f16(single)) : single;
        const double error = fabs((double)sum - ((double)values[i] + aim->add)); /* exact but for tiny values, whose error is themselves */
        tally->inexact += error != 0.0 || (values[i] != 0.0f && sum == (float)aim->add);
        tally->max_relative = fmax(tally->max_relative, error / (fabs((double)sum) + 0x1p-149));
        values[i] = sum;
    }
    half_store(aim->dtype == DTYPE_NONE ? DTYPE_F32 : aim->dtype, values, count, stored, tally);
}

/* Streams a plain float tensor: how many values are not zero, and what the cast does. */
static enum status survey_floats(const struct surveying *context, uint32_t index, bool cast, struct scratch *scratch, struct survey_tensor *result,
                                 struct err *err)
{
    const struct tensor *tensor = &context->fetch->model->tensor[index];
    const uint64_t size = dtype_bits(tensor->dtype) / 8, count = model_elements(tensor), fit = SURVEY_BYTES_MAX / 4;
    const uint64_t row = tensor->rank == 0 ? 1 : tensor->shape[tensor->rank - 1];
    const uint64_t step = row == 0 || row > fit ? fit : fit / row * row; /* whole rows: of turned matrices parts of them are dear */
    for (uint64_t at = 0; at < count; at += step) {
        const uint64_t part = count - at < step ? count - at : step;
        uint8_t *raw = scratch_take(scratch, SCRATCH_RAW, part * size, err);
        float *values = scratch_take(scratch, SCRATCH_SCALE, part * sizeof(float), err);
        void *stored = scratch_take(scratch, SCRATCH_STORE, part * sizeof(float), err);
        if (raw == NULL || values == NULL || stored == NULL)
            return STATUS_LIMIT;
        TRY(fetch_bytes(context->fetch, index, at * size, raw, part * size, err));
        half_load(tensor->dtype, raw, (size_t)part, values);
        for (uint64_t i = 0; i < part; i++)
            result->nonzero += values[i] != 0.0f;
        if (cast)
            tally_cast(&context->aims->tensor[index], values, (size_t)part, stored, &result->cast);
    }
    return STATUS_OK;
}

static enum status survey_exponents(const struct surveying *context, const struct weight *weight, struct scratch *scratch, struct survey_weight *result,
                                    struct err *err)
{
    const uint32_t tensor = weight->role[ROLE_SCALES];
    const uint64_t bytes = context->fetch->model->tensor[tensor].bytes;
    result->exponent_min = UINT8_MAX;
    for (uint64_t at = 0; at < bytes; at += SURVEY_BYTES_MAX) {
        const uint64_t size = bytes - at < SURVEY_BYTES_MAX ? bytes - at : SURVEY_BYTES_MAX;
        uint8_t *exponent = scratch_take(scratch, SCRATCH_RAW, size, err);
        if (exponent == NULL)
            return STATUS_LIMIT;
        TRY(fetch_bytes(context->fetch, tensor, at, exponent, size, err));
        for (uint64_t i = 0; i < size; i++) {
            result->exponent_min = exponent[i] < result->exponent_min ? exponent[i] : result->exponent_min;
            result->exponent_max = exponent[i] > result->exponent_max ? exponent[i] : result->exponent_max;
        }
    }
    return STATUS_OK;
}

static enum status survey_weight(const struct surveying *context, uint32_t index, struct scratch *scratch, struct err *err)
{
    const struct weight *weight = &context->fetch->model->weight[index];
    struct survey_weight *result = &context->survey->weight[index];
    const bool affine = weight->spec.grid == GRID_AFFINE_ZERO || weight->spec.grid == GRID_AFFINE_BETA;
    result->trivial_group_of = true;
    if (affine) {
        TRY(survey_params(context, index, scratch, result, err));
        TRY(survey_group_of(context, weight, scratch, result, err));
        TRY(survey_activation(context->fetch, context->aims, index, scratch, result, err));
        if (context->aims != NULL && context->aims->weight[index].blocks && result->groups.bad_scales + result->groups.bad_zeros == 0)
            TRY(survey_blocks_range(context->fetch, weight, scratch, result, err));
    }
    if (weight->spec.grid == GRID_MINIFLOAT && weight->spec.scale_dtype == DTYPE_F8_E8M0)
        TRY(survey_exponents(context, weight, scratch, result, err));
    return context->aims != NULL && context->aims->weight[index].dense && result->groups.bad_scales + result->groups.bad_zeros == 0
               ? survey_values(context, index, scratch, result, err)
               : STATUS_OK;
}

static enum status survey_job(void *opaque, size_t index, unsigned worker, struct err *err)
{
    const struct surveying *context = opaque;
    const struct model *model = context->fetch->model;
    struct scratch *scratch = &context->scratch[worker];
    if (index < model->weight_count)
        return survey_weight(context, (uint32_t)index, scratch, err);
    const uint32_t at = (uint32_t)(index - model->weight_count);
    const struct tensor *tensor = &model->tensor[at];
    struct survey_tensor *result = &context->survey->tensor[at];
    const struct aim_tensor *aim = context->aims == NULL ? NULL : &context->aims->tensor[at];
    const bool cast = (tensor->fate == FATE_CARRY || tensor->fate == FATE_ARRANGED) && aim != NULL && dtype_is_plain_float(tensor->dtype) &&
                      (aim->add != 0 || (aim->dtype != DTYPE_NONE && tensor->dtype != aim->dtype));
    if (tensor->fate == FATE_DROP_TWIN)
        return survey_twin(context, at, scratch, result, err);
    if (cast || tensor->fate == FATE_DROP_ZERO)
        return survey_floats(context, at, cast, scratch, result, err);
    return STATUS_OK;
}

enum status survey_run(struct survey *survey, const struct fetch *fetch, const struct aims *aims, unsigned workers, const atomic_int *cancel,
                       struct err *err)
{
    const struct model *model = fetch->model;
    *survey = (struct survey){0};
    survey->weight = mem_alloc(model->weight_count + 1, sizeof *survey->weight, err);
    survey->tensor = mem_alloc(model->tensor_count + 1, sizeof *survey->tensor, err);
    struct surveying context = {survey, fetch, aims, mem_alloc(workers, sizeof *context.scratch, err)};
    if (survey->weight == NULL || survey->tensor == NULL || context.scratch == NULL) {
        free(context.scratch);
        return STATUS_LIMIT;
    }
    const enum status status = pool_run(workers, model->weight_count + model->tensor_count, survey_job, &context, cancel, err);
    for (unsigned i = 0; i < workers; i++)
        scratch_free(&context.scratch[i]);
    free(context.scratch);
    return status;
}

void survey_free(struct survey *survey)
{
    free(survey->weight);
    free(survey->tensor);
    *survey = (struct survey){0};
}
