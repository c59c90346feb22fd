#include "plan/ordered.h"

#include <string.h>

#define ORDERED_CODES_MAX (UINT64_C(1) << 20) /* of which some are wanted, at a time */
#define ORDERED_PAIRS_MAX (UINT64_C(1) << 17) /* rows x groups likewise */
#define ORDERED_ALIGN UINT64_C(64)            /* rows: a multiple of every layout's run along out */

static struct weight stored_of(const struct weight *weight)
{
    struct weight stored = *weight;
    stored.row_order = stored.column_order = NULL;
    return stored;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Stored rows run across those of the weight: all of them, some columns at a time. */
static enum status gather_across(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes to,
                                 struct err *err)
{
    const struct weight stored = stored_of(weight);
    const uint64_t run = layout_align(layout_row(weight->spec.codes_layout), AXIS_IN), fit = ORDERED_CODES_MAX / weight->out / run * run;
    const uint64_t step = fit == 0 ? run : fit;
    for (uint64_t column = 0; column < area.in; column += step) {
        const struct area all = {0, weight->out, area.in0 + column, at_most(step, area.in - column)};
        struct codes found;
        TRY(decode_codes(fetch, &stored, all, scratch, &found, err));
        for (uint64_t row = 0; row < area.out; row++)
            memcpy(to.data + row * to.stride + column, found.data + weight->row_order[area.out0 + row] * found.stride, (size_t)all.in);
    }
    return STATUS_OK;
}

/* Stored rows are those of the weight: one after another. */
static enum status gather_along(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes to,
                                struct err *err)
{
    const struct weight stored = stored_of(weight);
    const uint64_t run = layout_align(layout_row(weight->spec.codes_layout), AXIS_OUT);
    for (uint64_t row = 0; row < area.out; row++) {
        const uint64_t from = weight->row_order[area.out0 + row], first = from / run * run;
        struct codes found;
        TRY(decode_codes(fetch, &stored, (struct area){first, at_most(run, weight->out - first), area.in0, area.in}, scratch, &found, err));
        memcpy(to.data + row * to.stride, found.data + (from - first) * found.stride, (size_t)area.in);
    }
    return STATUS_OK;
}

static enum status gather_columns(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes to,
                                  struct err *err)
{
    const struct weight stored = stored_of(weight);
    struct codes found;
    TRY(decode_codes(fetch, &stored, (struct area){area.out0, area.out, 0, weight->in}, scratch, &found, err));
    for (uint64_t row = 0; row < area.out; row++)
        for (uint64_t k = 0; k < area.in; k++)
            to.data[row * to.stride + k] = found.data[row * found.stride + weight->column_order[area.in0 + k]];
    return STATUS_OK;
}

enum status ordered_codes(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes *codes,
                          struct err *err)
{
    *codes = (struct codes){scratch_take(scratch, SCRATCH_ORDERED, area.out * area.in, err), (size_t)area.in};
    if (codes->data == NULL)
        return STATUS_LIMIT;
    if (weight->column_order != NULL)
        TRY(gather_columns(fetch, weight, area, scratch, *codes, err));
    else if (layout_row(weight->spec.codes_layout)->slow == AXIS_IN)
        TRY(gather_across(fetch, weight, area, scratch, *codes, err));
    else
        TRY(gather_along(fetch, weight, area, scratch, *codes, err));
    scratch_swap(scratch, SCRATCH_CODES, SCRATCH_ORDERED); /* where decode_codes leaves them */
    return STATUS_OK;
}

enum status ordered_params(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                           struct err *err)
{
    const struct weight stored = stored_of(weight);
    const uint64_t fit = ORDERED_PAIRS_MAX / area.in / ORDERED_ALIGN * ORDERED_ALIGN, step = fit == 0 ? ORDERED_ALIGN : fit;
    const size_t count = (size_t)(area.out * area.in);
    float *scale = scratch_take(scratch, SCRATCH_ORDERED_PARAMS, count * (sizeof *params->scale + sizeof *params->zero + sizeof *params->field), err);
    if (scale == NULL)
        return STATUS_LIMIT;
    int32_t *zero = (int32_t *)(void *)(scale + count);
    uint8_t *field = (uint8_t *)(zero + count);
    bool fields = false, old_zeros = false;
    for (uint64_t first = 0; first < weight->out; first += step) {
        const struct area part = {first, at_most(step, weight->out - first), area.in0, area.in};
        TRY(params_load(fetch, &stored, part, scratch, params, err));
        fields = params->field != NULL;
        old_zeros = old_zeros || params->old_zeros;
        for (uint64_t row = 0; row < area.out; row++) {
            const uint64_t from = weight->row_order[area.out0 + row];
            if (from < first || from >= first + part.out)
                continue;
            memcpy(scale + row * area.in, params->scale + (from - first) * area.in, (size_t)area.in * sizeof *scale);
            memcpy(zero + row * area.in, params->zero + (from - first) * area.in, (size_t)area.in * sizeof *zero);
            if (fields)
                memcpy(field + row * area.in, params->field + (from - first) * area.in, (size_t)area.in);
        }
    }
    *params = (struct params){.scale = scale, .zero = zero, .field = fields ? field : NULL, .count = count, .old_zeros = old_zeros};
    return STATUS_OK;
}
