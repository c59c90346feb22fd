#include "plan/narrow.h"

#include "base/pool.h"
#include "codec/ggml_field.h"
#include "codec/half.h"
#include "ir/ggml.h"
#include "plan/scratch.h"

#include <stdlib.h>

#define NARROW_BITS 4
#define NARROW_GROUPS (UINT64_C(1) << 15) /* at a time: 1 MiB of codes */

struct narrowing {
    struct model *model;
    const struct fetch *fetch;
    struct scratch *scratch; /* [workers] */
    uint8_t zero_max;        /* 16 stands beside 4-bit codes in some formats; where 5 bits are held they are the better form */
};

/* Scales and codes of all groups, until one does not fit. */
static enum status spans_few(const struct narrowing *work, const struct weight *weight, struct scratch *scratch, bool *few, struct err *err)
{
    const uint64_t groups = weight->out * weight->groups;
    *few = true;
    for (uint64_t at = 0; at < groups && *few; at += NARROW_GROUPS) {
        const uint64_t count = groups - at < NARROW_GROUPS ? groups - at : NARROW_GROUPS;
        uint8_t *codes = scratch_take(scratch, SCRATCH_CODES, count * GGML_FIELD_CODES, err), *halves = scratch_take(scratch, SCRATCH_RAW, count * 2, err);
        float *scale = scratch_take(scratch, SCRATCH_SCALE, count * sizeof *scale, err);
        if (codes == NULL || halves == NULL || scale == NULL)
            return STATUS_LIMIT;
        TRY(fetch_bytes(work->fetch, weight->role[ROLE_CODES], at * GGML_FIELD_CODES, codes, count * GGML_FIELD_CODES, err));
        TRY(fetch_bytes(work->fetch, weight->role[ROLE_SCALES], at * 2, halves, count * 2, err));
        half_load(DTYPE_F16, halves, (size_t)count, scale);
        for (uint64_t g = 0; g < count && *few; g++) {
            uint8_t zero;
            *few = (ggml_field_zero(codes + g * GGML_FIELD_CODES, &zero) && zero <= work->zero_max) || scale[g] == 0.0f;
        }
    }
    return STATUS_OK;
}

static enum status narrow_job(void *opaque, size_t index, unsigned worker, struct err *err)
{
    const struct narrowing *work = opaque;
    struct weight *weight = &work->model->weight[index];
    bool few;
    if (weight->spec.grid != GRID_AFFINE_ZERO || weight->spec.block != GGML_Q5_0)
        return STATUS_OK;
    TRY(spans_few(work, weight, &work->scratch[worker], &few, err));
    if (few) {
        weight->spec.bits = NARROW_BITS;
        weight->spec.code_rule = CODE_NARROWED;
    }
    return STATUS_OK;
}

enum status narrow_weights(struct model *model, const struct fetch *fetch, const struct format *target, const struct options *options,
                           const struct resources *resources, struct err *err)
{
    const bool asked = options->bits == NARROW_BITS, unasked = options->bits == 0 && target->can.grid != GRID_AFFINE_BETA;
    if (target->form_count == 0 || !(asked || unasked) || !(registry_widths(target) >> NARROW_BITS & 1))
        return STATUS_OK;
    const unsigned workers = run_workers(resources);
    struct narrowing work = {model, fetch, mem_alloc(workers, sizeof *work.scratch, err), registry_widths(target) >> 5 & 1 ? 15 : 16};
    if (work.scratch == NULL)
        return STATUS_LIMIT;
    const enum status status = pool_run(workers, model->weight_count, narrow_job, &work, resources->cancel, err);
    for (unsigned i = 0; i < workers; i++)
        scratch_free(&work.scratch[i]);
    free(work.scratch);
    return status;
}
