#include "plan/params.h"

#include "base/checked.h"
#include "base/le.h"
#include "codec/ggml_field.h"
#include "codec/group.h"
#include "codec/half.h"
#include "codec/minifloat.h"
#include "plan/derive.h"
#include "plan/ordered.h"

#include <string.h>

/* --- floats --------------------------------------------------------------------------------------------------------------- */

static enum status repeat_one(const struct fetch *fetch, uint32_t tensor, size_t size, size_t count, uint8_t *target, struct err *err)
{
    uint8_t value[8];
    TRY(fetch_bytes(fetch, tensor, 0, value, size, err));
    for (size_t i = 0; i < count; i++)
        memcpy(target + i * size, value, size);
    return STATUS_OK;
}

enum status params_matrix(const struct fetch *fetch, const struct weight *weight, enum role role, struct area area, struct scratch *scratch,
                          struct err *err)
{
    const uint32_t tensor = weight->role[role];
    const struct tensor *stored = &fetch->model->tensor[tensor];
    const size_t size = dtype_bits(stored->dtype) / 8, out = (size_t)area.out, groups = (size_t)area.in;
    uint8_t *turned = scratch_take(scratch, SCRATCH_TURNED, area.out * area.in * size, err);
    if (turned == NULL)
        return STATUS_LIMIT;
    if (weight->spec.param_order == ORDER_ONE)
        return repeat_one(fetch, tensor, size, out * groups, turned, err);
    if (weight->spec.param_order == ORDER_OUT_GROUP) /* rows may be longer than the groups: AWQ GEMV pads them */
        return fetch_rect(fetch, tensor, stored->bytes / weight->out, (struct layout_rect){area.out0, area.out, area.in0 * size, area.in * size}, turned,
                          err);
    uint8_t *raw = scratch_take(scratch, SCRATCH_RAW, area.out * area.in * size, err);
    if (raw == NULL)
        return STATUS_LIMIT;
    TRY(fetch_rect(fetch, tensor, weight->out * size, (struct layout_rect){area.in0, area.in, area.out0 * size, area.out * size}, raw, err));
    group_transpose((struct group_matrix){raw, out}, groups, out, size, turned, groups);
    return STATUS_OK;
}

/* params_matrix widened to F32 into values [out][group]. */
static enum status load_floats(const struct fetch *fetch, const struct weight *weight, enum role role, struct area area, struct scratch *scratch,
                               struct err *err)
{
    float *values = scratch_take(scratch, role == ROLE_SCALES ? SCRATCH_SCALE : SCRATCH_OFFSET, area.out * area.in * sizeof *values, err);
    if (values == NULL)
        return STATUS_LIMIT;
    TRY(params_matrix(fetch, weight, role, area, scratch, err));
    if (role == ROLE_SCALES && weight->spec.code_rule == CODE_F4_DOUBLED)
        minifloat_halve_e8m0(scratch->data[SCRATCH_TURNED], (size_t)(area.out * area.in), values);
    else
        half_load(fetch->model->tensor[weight->role[role]].dtype, scratch->data[SCRATCH_TURNED], (size_t)(area.out * area.in), values);
    return STATUS_OK;
}

enum status params_deqs(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, float *values, struct err *err)
{
    const uint32_t deq = weight->role[ROLE_DEQ_SCALE];
    const size_t size = dtype_bits(fetch->model->tensor[deq].dtype) / 8;
    uint8_t *raw = scratch_take(scratch, SCRATCH_RAW, area.out * size, err);
    if (raw == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, deq, area.out0 * size, raw, area.out * size, err));
    for (uint64_t i = 0; i < area.out; i++)
        half_load(DTYPE_F32, raw + i * size, 1, values + i);
    return STATUS_OK;
}

/* msModelSlim's static W8A8 may leave the scales out: deq_scale = input scale * scale (msmodelslim.md section 3.3). */
static enum status load_quotients(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct err *err)
{
    const uint32_t input = weight->role[ROLE_INPUT_SCALE];
    const size_t count = (size_t)area.out;
    float *values = scratch_take(scratch, SCRATCH_SCALE, count * sizeof *values, err);
    uint8_t stored[4];
    float divisor;
    if (values == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, input, 0, stored, dtype_bits(fetch->model->tensor[input].dtype) / 8, err));
    half_load(fetch->model->tensor[input].dtype, stored, 1, &divisor);
    TRY(params_deqs(fetch, weight, area, scratch, values, err));
    for (size_t i = 0; i < count; i++)
        values[i] /= divisor;
    return STATUS_OK;
}

/* --- packed fields -------------------------------------------------------------------------------------------------------- */

/* GPTQModel shifts v1 zeros by one in every field of a word at once, with borrow; adding it back needs the carry (gptq.md section 4). */
static void add_to_words(uint8_t *raw, size_t size, unsigned bits)
{
    const uint32_t ones = UINT32_MAX / ((UINT32_C(1) << bits) - 1);
    for (size_t i = 0; i + 4 <= size; i += 4)
        le_store32(raw + i, le_load32(raw + i) + ones);
}

static void fields_to_zeros(const struct spec *spec, const uint8_t *field, size_t count, int32_t *zero)
{
    const struct layout *layout = layout_row(spec->zeros_layout);
    const int32_t mask = (1 << spec->bits) - 1;
    if (layout->is_signed && layout->code_bits > spec->bits) { /* a signed byte beside narrower codes */
        for (size_t i = 0; i < count; i++)
            zero[i] = field[i] - (1 << (layout->code_bits - 1)) + (1 << (spec->bits - 1));
        return;
    }
    for (size_t i = 0; i < count; i++)
        zero[i] = spec->zero_rule == ZERO_FIELD_MOD ? (field[i] + 1) & mask : field[i] + (spec->zero_rule == ZERO_NO_MASK);
}

struct fields {
    struct stored stored;
    size_t bytes;
};

/* The stored rectangle of fields, in SCRATCH_RAW. One value for the whole weight stands in its first word. */
static enum status fetch_fields(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct fields *fields,
                                struct err *err)
{
    const struct layout *layout = layout_row(weight->spec.zeros_layout);
    const struct tensor *tensor = &fetch->model->tensor[weight->role[ROLE_ZEROS]];
    uint64_t rows, row_bytes;
    if (!layout_size(layout, weight->out, weight->groups, &rows, &row_bytes))
        return err_set(err, STATUS_CORRUPT, weight->name, "found dimensions that do not fill whole words of zeros");
    const struct layout_rect rect = layout_rect(layout, area.out0, area.out, area.in0, area.in);
    fields->bytes = (size_t)(rect.rows * rect.bytes);
    fields->stored = (struct stored){scratch_take(scratch, SCRATCH_RAW, fields->bytes, err), (size_t)rect.bytes};
    if (fields->stored.data == NULL)
        return STATUS_LIMIT;
    if (weight->spec.param_order == ORDER_ONE)
        return repeat_one(fetch, weight->role[ROLE_ZEROS], layout->word_bits / 8u, fields->bytes / (layout->word_bits / 8u), fields->stored.data, err);
    return fetch_rect(fetch, weight->role[ROLE_ZEROS], tensor->bytes / rows, rect, fields->stored.data, err); /* rows may be padded, as of scales */
}

/* GPTQModel before 2026-04-17 subtracted its constants from the wrong words of three: zeros of 4 everywhere show as these (gptq.md section 6). */
static bool is_old_three(const uint8_t *raw, size_t size)
{
    static const uint32_t words[3] = {0x00000000, 0xB6DB6DB7, 0x49249249};
    for (size_t i = 0; i + 4 <= size; i += 4)
        if (le_load32(raw + i) != words[i / 4 % 3])
            return false;
    return size >= 12 && size % 12 == 0;
}

/* Fields share words: those of an area are taken out of the whole runs that hold it. */
static enum status load_fields(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                               struct err *err)
{
    const struct layout *layout = layout_row(weight->spec.zeros_layout);
    const uint64_t out_run = layout_align(layout, AXIS_OUT), in_run = layout_align(layout, AXIS_IN);
    const uint64_t out0 = area.out0 / out_run * out_run, in0 = area.in0 / in_run * in_run;
    const uint64_t out1 = checked_div_up(area.out0 + area.out, out_run) * out_run, in1 = checked_div_up(area.in0 + area.in, in_run) * in_run;
    const struct area whole = {out0, (out1 < weight->out ? out1 : weight->out) - out0, in0, (in1 < weight->groups ? in1 : weight->groups) - in0};
    struct fields raw = {0};
    TRY(fetch_fields(fetch, weight, whole, scratch, &raw, err));
    params->field = scratch_take(scratch, SCRATCH_FIELD, whole.out * whole.in, err);
    if (params->field == NULL)
        return STATUS_LIMIT;
    if (weight->spec.bits == 3 && weight->spec.zero_rule != ZERO_PLAIN && is_old_three(raw.stored.data, raw.bytes)) {
        params->old_zeros = true;
        for (size_t i = 0; i < params->count; i++)
            params->zero[i] = 4;
        memset(params->field, 3, params->count);
        return STATUS_OK;
    }
    if (weight->spec.zero_rule == ZERO_WORD_ADD)
        add_to_words(raw.stored.data, raw.bytes, weight->spec.bits);
    if (pack_unpack(layout, raw.stored, (size_t)whole.out, (size_t)whole.in, (struct codes){params->field, (size_t)whole.in}) > 0)
        return err_set(err, STATUS_CORRUPT, fetch->model->tensor[weight->role[ROLE_ZEROS]].name,
                       "found zero points outside -8..7, expected those of int4 (R-RANGE)");
    for (uint64_t row = 0; row < area.out && whole.in * whole.out != params->count; row++)
        memmove(params->field + row * area.in, params->field + (area.out0 - out0 + row) * whole.in + (area.in0 - in0), (size_t)area.in);
    fields_to_zeros(&weight->spec, params->field, params->count, params->zero);
    return STATUS_OK;
}

uint64_t params_ambiguous(const struct fetch *fetch, const struct weight *weight, struct area area, const struct params *params)
{
    const struct spec *spec = &weight->spec;
    /* Every writer of 3-bit files shifts field by field. */
    if (spec->zero_kind != ZERO_CODES || spec->zero_rule != ZERO_FIELD_MOD || spec->bits == 3 || fetch->model->v1_decided)
        return 0;
    const unsigned mask = (1u << spec->bits) - 1;
    const uint64_t run = layout_run(layout_row(spec->zeros_layout));
    uint64_t count = 0;
    for (uint64_t o = 0; o < area.out; o++) {
        const uint64_t row = weight->row_order == NULL ? area.out0 + o : weight->row_order[area.out0 + o];
        if (row % run == run - 1)
            continue;
        for (uint64_t g = 0; g < area.in; g++)
            count += params->field[o * area.in + g] == mask;
    }
    return count;
}

/* --- zeros of codes -------------------------------------------------------------------------------------------------------- */

#define NARROWED_BYTES (UINT64_C(1) << 20) /* codes at a time */

/* Q5_0 as 4 bits: the zero follows from the codes. A group of zeros has the mid zero. */
static enum status load_narrowed(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                                 struct err *err)
{
    const uint64_t bytes = area.in * GGML_FIELD_CODES, fit = NARROWED_BYTES / bytes, step = fit == 0 ? 1 : fit, row_bytes = weight->groups * GGML_FIELD_CODES;
    for (uint64_t row = 0; row < area.out; row += step) {
        const uint64_t rows = area.out - row < step ? area.out - row : step;
        uint8_t *codes = scratch_take(scratch, SCRATCH_FIELD, rows * bytes, err);
        if (codes == NULL)
            return STATUS_LIMIT;
        const struct layout_rect rect = {area.out0 + row, rows, area.in0 * GGML_FIELD_CODES, bytes};
        TRY(fetch_rect(fetch, weight->role[ROLE_CODES], row_bytes, rect, codes, err));
        for (uint64_t i = 0; i < rows * area.in; i++) {
            uint8_t zero;
            (void)ggml_field_zero(codes + i * GGML_FIELD_CODES, &zero);
            params->zero[row * area.in + i] = params->scale[row * area.in + i] == 0.0f ? 8 : zero;
        }
    }
    return STATUS_OK;
}

/* --- all of them ---------------------------------------------------------------------------------------------------------- */

static enum status load_zeros(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                              struct err *err)
{
    const struct spec *spec = &weight->spec;
    const int32_t middle = 1 << (spec->bits - 1);
    if (spec->code_rule == CODE_NARROWED)
        return load_narrowed(fetch, weight, area, scratch, params, err);
    switch (spec->zero_kind) {
    case ZERO_CODES:
        return load_fields(fetch, weight, area, scratch, params, err);
    case ZERO_OFFSET:
        TRY(load_floats(fetch, weight, ROLE_ZEROS, area, scratch, err));
        params->offset = scratch->data[SCRATCH_OFFSET];
        group_zeros_from_offsets(params->offset, params->scale, params->count, spec->bits, params->zero);
        return STATUS_OK;
    case ZERO_BETA:
        TRY(load_floats(fetch, weight, ROLE_BETA, area, scratch, err));
        params->beta = scratch->data[SCRATCH_OFFSET];
        params->bad = group_zeros_from_betas(params->beta, params->scale, params->count, middle, params->zero);
        return STATUS_OK;
    case ZERO_SCALED:
        TRY(load_floats(fetch, weight, ROLE_BETA, area, scratch, err));
        params->beta = scratch->data[SCRATCH_OFFSET];
        params->bad = group_zeros_from_scaled(
            &(struct group_scaled){params->beta, params->scale, params->count, fetch->model->tensor[weight->role[ROLE_BETA]].dtype, 2 * middle - 1, middle},
            params->zero);
        return STATUS_OK;
    case ZERO_MID:
    case ZERO_NEVER:
        break;
    }
    for (size_t i = 0; i < params->count; i++)
        params->zero[i] = middle;
    return STATUS_OK;
}

enum status params_load(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                        struct err *err)
{
    *params = (struct params){.count = (size_t)(area.out * area.in)};
    if (weight->origin != NULL)
        return derive_params(fetch, weight, area, scratch, params, err);
    if (weight->row_order != NULL)
        return ordered_params(fetch, weight, area, scratch, params, err);
    if (weight->role[ROLE_SCALES] != MODEL_NONE)
        TRY(load_floats(fetch, weight, ROLE_SCALES, area, scratch, err));
    else
        TRY(load_quotients(fetch, weight, area, scratch, err));
    params->scale = scratch->data[SCRATCH_SCALE];
    for (size_t i = 0; weight->spec.scale_rule == SCALE_ABSMAX && i < params->count; i++)
        params->scale[i] *= 0x1.020408p-7f; /* 1/127, as bitsandbytes has it */
    params->zero = scratch_take(scratch, SCRATCH_ZERO, params->count * sizeof *params->zero, err);
    if (params->zero == NULL)
        return STATUS_LIMIT;
    return load_zeros(fetch, weight, area, scratch, params, err);
}
