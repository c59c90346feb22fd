#include "plan/decode.h"

#include "base/le.h"
#include "codec/group.h"
#include "codec/half.h"

#include <stdio.h>
#include <string.h>

/* --- codes ------------------------------------------------------------------------------------------------------------- */

enum status decode_raw(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct stored *stored,
                       struct err *err)
{
    const struct layout *layout = layout_row(weight->spec.codes_layout);
    uint64_t rows, row_bytes;
    if (!layout_size(layout, weight->out, weight->in, &rows, &row_bytes))
        return err_set(err, STATUS_CORRUPT, weight->name, "found dimensions that do not fill whole words");
    const struct layout_rect rect = layout_rect(layout, area.out0, area.out, area.in0, area.in);
    uint8_t *raw = scratch_take(scratch, SCRATCH_RAW, rect.rows * rect.bytes, err);
    if (raw == NULL)
        return STATUS_LIMIT;
    *stored = (struct stored){raw, (size_t)rect.bytes};
    return fetch_rect(fetch, weight->role[ROLE_CODES], row_bytes, rect, raw, err);
}

enum status decode_part(const struct weight *weight, struct area area, struct stored raw, struct area part, struct codes codes, struct err *err)
{
    const struct layout *layout = layout_row(weight->spec.codes_layout);
    const struct layout_rect at = layout_rect(layout, part.out0 - area.out0, part.out, part.in0 - area.in0, part.in);
    const struct stored inner = {raw.data + at.row0 * raw.stride + at.byte0, raw.stride};
    const size_t bad = pack_unpack(layout, inner, (size_t)part.out, (size_t)part.in, codes);
    if (bad == 0)
        return STATUS_OK;
    (void)err_set(err, STATUS_CORRUPT, weight->name, "found %zu values outside -8..7 near row %llu, column %llu, expected one int4 a byte (R-NONFINITE)", bad,
                  (unsigned long long)part.out0, (unsigned long long)part.in0);
    return err_try(err, "check that the description belongs to these weights: they may be packed, or W8A16");
}

enum status decode_codes(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes *codes,
                         struct err *err)
{
    struct stored raw = {0};
    TRY(decode_raw(fetch, weight, area, scratch, &raw, err));
    *codes = (struct codes){scratch_take(scratch, SCRATCH_CODES, area.out * area.in, err), (size_t)area.in};
    if (codes->data == NULL)
        return STATUS_LIMIT;
    return decode_part(weight, area, raw, area, *codes, err);
}

/* --- parameters -------------------------------------------------------------------------------------------------------- */

static enum status repeat_one(const struct fetch *fetch, uint32_t tensor, size_t size, size_t count, uint8_t *target, struct err *err)
{
    uint8_t value[8];
    TRY(fetch_bytes(fetch, tensor, 0, value, size, err));
    for (size_t i = 0; i < count; i++)
        memcpy(target + i * size, value, size);
    return STATUS_OK;
}

/* A parameter matrix in any storage order as [out][group], its dtype kept, in SCRATCH_TURNED. */
static enum status load_matrix(const struct fetch *fetch, const struct weight *weight, uint32_t tensor, struct area area, struct scratch *scratch,
                               struct err *err)
{
    const size_t size = dtype_bits(fetch->model->tensor[tensor].dtype) / 8;
    const size_t out = (size_t)area.out, groups = (size_t)area.in;
    uint8_t *turned = scratch_take(scratch, SCRATCH_TURNED, area.out * area.in * size, err);
    if (turned == NULL)
        return STATUS_LIMIT;
    if (weight->spec.param_order == ORDER_ONE)
        return repeat_one(fetch, tensor, size, out * groups, turned, err);
    if (weight->spec.param_order == ORDER_OUT_GROUP)
        return fetch_rect(fetch, tensor, weight->groups * size, (struct layout_rect){area.out0, area.out, area.in0 * size, area.in * size}, turned, err);
    uint8_t *raw = scratch_take(scratch, SCRATCH_RAW, area.out * area.in * size, err);
    if (raw == NULL)
        return STATUS_LIMIT;
    TRY(fetch_rect(fetch, tensor, weight->out * size, (struct layout_rect){area.in0, area.in, area.out0 * size, area.out * size}, raw, err));
    group_transpose((struct group_matrix){raw, out}, groups, out, size, turned, groups);
    return STATUS_OK;
}

enum status decode_scales(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, void **scales,
                          struct err *err)
{
    TRY(load_matrix(fetch, weight, weight->role[ROLE_SCALES], area, scratch, err));
    *scales = scratch->data[SCRATCH_TURNED];
    return STATUS_OK;
}

/* load_matrix of SCALES or ZEROS, widened to F32 into values [out][group]. */
static enum status load_floats(const struct fetch *fetch, const struct weight *weight, enum role role, struct area area, struct scratch *scratch,
                               struct err *err)
{
    float *values = scratch_take(scratch, role == ROLE_SCALES ? SCRATCH_SCALE : SCRATCH_OFFSET, area.out * area.in * sizeof *values, err);
    if (values == NULL)
        return STATUS_LIMIT;
    TRY(load_matrix(fetch, weight, weight->role[role], area, scratch, err));
    half_load(fetch->model->tensor[weight->role[role]].dtype, scratch->data[SCRATCH_TURNED], (size_t)(area.out * area.in), values);
    return STATUS_OK;
}

/* GPTQModel shifts v1 zeros by one in every field of a word at once, with borrow; adding it back needs the carry (gptq.md section 4). */
static void add_to_words(uint8_t *raw, size_t size, unsigned bits)
{
    const uint32_t ones = UINT32_MAX / ((UINT32_C(1) << bits) - 1);
    for (size_t i = 0; i + 4 <= size; i += 4)
        le_store32(raw + i, le_load32(raw + i) + ones);
}

static void fields_to_zeros(const struct spec *spec, const uint8_t *field, size_t count, int32_t *zero)
{
    const int32_t mask = (1 << spec->bits) - 1;
    for (size_t i = 0; i < count; i++)
        zero[i] = spec->zero_rule == ZERO_FIELD_MOD ? (field[i] + 1) & mask : field[i] + (spec->zero_rule == ZERO_NO_MASK);
}

static enum status load_fields(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch,
                               struct params *params, struct err *err)
{
    const struct layout *layout = layout_row(weight->spec.zeros_layout);
    uint64_t rows, row_bytes;
    if (!layout_size(layout, weight->out, weight->groups, &rows, &row_bytes))
        return err_set(err, STATUS_CORRUPT, weight->name, "found dimensions that do not fill whole words of zeros");
    const struct layout_rect rect = layout_rect(layout, area.out0, area.out, area.in0, area.in);
    const size_t raw_bytes = (size_t)(rect.rows * rect.bytes);
    uint8_t *raw = scratch_take(scratch, SCRATCH_RAW, raw_bytes, err);
    params->field = scratch_take(scratch, SCRATCH_FIELD, params->count, err);
    if (raw == NULL || params->field == NULL)
        return STATUS_LIMIT;
    TRY(fetch_rect(fetch, weight->role[ROLE_ZEROS], row_bytes, rect, raw, err));
    if (weight->spec.zero_rule == ZERO_WORD_ADD)
        add_to_words(raw, raw_bytes, weight->spec.bits);
    (void)pack_unpack(layout, (struct stored){raw, (size_t)rect.bytes}, (size_t)area.out, (size_t)area.in,
                       (struct codes){params->field, (size_t)area.in});
    fields_to_zeros(&weight->spec, params->field, params->count, params->zero);
    return STATUS_OK;
}

enum status decode_params(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                          struct err *err)
{
    *params = (struct params){.count = (size_t)(area.out * area.in)};
    TRY(load_floats(fetch, weight, ROLE_SCALES, area, scratch, err));
    params->scale = scratch->data[SCRATCH_SCALE];
    params->zero = scratch_take(scratch, SCRATCH_ZERO, params->count * sizeof *params->zero, err);
    if (params->zero == NULL)
        return STATUS_LIMIT;
    switch (weight->spec.zero_kind) {
    case ZERO_CODES:
        return load_fields(fetch, weight, area, scratch, params, err);
    case ZERO_OFFSET:
        TRY(load_floats(fetch, weight, ROLE_ZEROS, area, scratch, err));
        params->offset = scratch->data[SCRATCH_OFFSET];
        group_zeros_from_offsets(params->offset, params->scale, params->count, weight->spec.bits, params->zero);
        return STATUS_OK;
    case ZERO_MID:
        for (size_t i = 0; i < params->count; i++)
            params->zero[i] = 1 << (weight->spec.bits - 1);
        return STATUS_OK;
    }
    return err_set(err, STATUS_UNSUPPORTED, weight->name, "found an unknown kind of zeros");
}

uint64_t decode_ambiguous(const struct fetch *fetch, const struct weight *weight, struct area area, const struct params *params)
{
    if (weight->spec.zero_kind != ZERO_CODES || weight->spec.zero_rule != ZERO_FIELD_MOD || fetch->model->v1_decided)
        return 0;
    const unsigned mask = (1u << weight->spec.bits) - 1;
    const uint64_t run = layout_run(layout_row(weight->spec.zeros_layout));
    uint64_t count = 0;
    for (uint64_t o = 0; o < area.out; o++) {
        if ((area.out0 + o) % run == run - 1)
            continue;
        for (uint64_t g = 0; g < area.in; g++)
            count += params->field[o * area.in + g] == mask;
    }
    return count;
}

enum status decode_group_of(const struct fetch *fetch, const struct weight *weight, bool trivial, struct scratch *scratch, uint32_t **group_of,
                            struct err *err)
{
    const uint32_t tensor = weight->role[ROLE_GROUP_OF];
    *group_of = scratch_take(scratch, SCRATCH_FIELD, weight->in * sizeof **group_of, err);
    if (*group_of == NULL)
        return STATUS_LIMIT;
    if (tensor == MODEL_NONE || trivial) {
        for (uint64_t k = 0; k < weight->in; k++)
            (*group_of)[k] = (uint32_t)(k / weight->spec.group);
        return STATUS_OK;
    }
    TRY(fetch_bytes(fetch, tensor, 0, *group_of, weight->in * 4, err));
    for (uint64_t k = 0; k < weight->in; k++) {
        int64_t group = (int32_t)(*group_of)[k];
        if (group < 0) /* GPTQModel's packers count such an entry from the end */
            group += (int64_t)weight->groups;
        if (group < 0 || (uint64_t)group >= weight->groups)
            return err_set(err, STATUS_CORRUPT, fetch->model->tensor[tensor].name, "found group %d of column %llu, expected 0..%llu",
                           (int)(int32_t)(*group_of)[k], (unsigned long long)k, (unsigned long long)weight->groups - 1);
        (*group_of)[k] = (uint32_t)group;
    }
    return STATUS_OK;
}
