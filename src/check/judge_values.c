/* E19: floats of few bits, codebooks and their scales. What the survey says of integers is in judge_weights. */
#include "base/mem.h"
#include "base/pool.h"
#include "check/rules.h"
#include "check/spread.h"
#include "codec/half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20, VALUES_MAX = CHUNK / 2 };

enum fault { FAULT_SCALES = 1, FAULT_CODES = 2 };

struct job {
    const struct subject *subject;
    uint8_t *fault; /* [weight_count] */
};

static bool is_affine(const struct weight *weight)
{
    return weight->spec.grid == GRID_AFFINE_ZERO || weight->spec.grid == GRID_AFFINE_BETA;
}

/* NaN, or infinity, as a byte of the dtype; `values` has room for VALUES_MAX floats. */
static bool is_sound(enum dtype dtype, const uint8_t *data, size_t bytes, float *values)
{
    const size_t size = dtype_bits(dtype) / 8, count = size == 0 ? 0 : bytes / size;
    bool sound = true;
    if (dtype == DTYPE_F8_E4M3) {
        for (size_t i = 0; i < bytes; i++)
            sound = sound && (data[i] & 0x7f) != 0x7f;
    } else if (dtype == DTYPE_F8_E5M2) {
        for (size_t i = 0; i < bytes; i++)
            sound = sound && (data[i] & 0x7c) != 0x7c;
    } else if (dtype == DTYPE_F8_E8M0) {
        for (size_t i = 0; i < bytes; i++)
            sound = sound && data[i] != UINT8_MAX;
    } else if (dtype_is_plain_float(dtype)) {
        half_load(dtype, data, count, values);
        for (size_t i = 0; i < count; i++)
            sound = sound && isfinite(values[i]);
    }
    return sound;
}

struct reading {
    const struct subject *subject;
    uint8_t *room; /* CHUNK bytes, and behind them VALUES_MAX floats */
};

static enum status read_role(const struct reading *reading, uint32_t at, enum dtype dtype, bool *sound, struct err *err)
{
    if (at == MODEL_NONE)
        return STATUS_OK;
    const struct tensor *tensor = &reading->subject->model.tensor[at];
    float *values = (float *)(reading->room + CHUNK);
    for (uint64_t place = 0; place < tensor->bytes && *sound; place += CHUNK) {
        const uint64_t part = tensor->bytes - place < CHUNK ? tensor->bytes - place : CHUNK;
        TRY(fetch_bytes(&reading->subject->fetch, at, place, reading->room, part, err));
        *sound = is_sound(dtype == DTYPE_NONE ? tensor->dtype : dtype, reading->room, (size_t)part, values);
    }
    return STATUS_OK;
}

static enum status judge_weight(void *context, size_t index, unsigned worker, struct err *err)
{
    static const enum role scales[] = {ROLE_SCALES, ROLE_SCALES2, ROLE_TABLE2, ROLE_INPUT_SCALE};
    const struct job *job = context;
    const struct weight *weight = &job->subject->model.weight[index];
    bool sound = true, codes = true;
    (void)worker;
    if (is_affine(weight))
        return STATUS_OK;
    const struct reading reading = {job->subject, mem_alloc(CHUNK + VALUES_MAX * sizeof(float), 1, err)};
    enum status status = reading.room == NULL ? STATUS_LIMIT : STATUS_OK;
    for (size_t r = 0; r < sizeof scales / sizeof scales[0] && status == STATUS_OK; r++) {
        const bool power = scales[r] == ROLE_SCALES && weight->spec.scale_dtype == DTYPE_F8_E8M0; /* stored as U8 */
        status = read_role(&reading, weight->role[scales[r]], power ? DTYPE_F8_E8M0 : DTYPE_NONE, &sound, err);
    }
    if (status == STATUS_OK && weight->spec.grid == GRID_MINIFLOAT && weight->spec.bits == 8)
        status = read_role(&reading, weight->role[ROLE_CODES], DTYPE_NONE, &codes, err);
    free(reading.room);
    job->fault[index] = (uint8_t)((sound ? 0 : FAULT_SCALES) | (codes ? 0 : FAULT_CODES));
    return status;
}

static enum status report(struct subject *subject, const uint8_t *fault, enum fault which, const char *found, struct err *err)
{
    struct spread wrong = {0};
    for (size_t w = 0; w < subject->model.weight_count; w++)
        if ((fault[w] & which) != 0)
            spread_add(&wrong, subject->model.weight[w].name);
    if (wrong.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_SILENT, spread_text(&wrong, subject, err), found, "finite ones", NULL, 0}, err);
}

enum status judge_values_finite(struct subject *subject, struct err *err)
{
    struct job job = {subject, mem_alloc(subject->model.weight_count + 1, 1, err)};
    if (job.fault == NULL)
        return STATUS_LIMIT;
    enum status status = pool_run(run_workers(subject->resources), subject->model.weight_count, judge_weight, &job, subject->resources->cancel, err);
    if (status == STATUS_OK)
        status = report(subject, job.fault, FAULT_SCALES, "scales that are NaN or infinite (R-NONFINITE)", err);
    if (status == STATUS_OK)
        status = report(subject, job.fault, FAULT_CODES, "codes that stand for NaN or infinity (R-NONFINITE)", err);
    free(job.fault);
    return status;
}
