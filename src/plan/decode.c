#include "plan/decode.h"

#include "codec/ggml_field.h"
#include "codec/minifloat.h"
#include "plan/derive.h"
#include "plan/ordered.h"

#include <stdio.h>

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
    for (uint64_t row = 0; weight->spec.code_rule == CODE_F4_DOUBLED && row < part.out; row++)
        minifloat_double_f4(codes.data + row * codes.stride, (size_t)part.in);
    for (uint64_t row = 0; weight->spec.code_rule == CODE_NARROWED && row < part.out; row++)
        for (uint64_t k = 0; k < part.in; k += GGML_FIELD_CODES) /* the layout's run */
            ggml_field_narrow(codes.data + row * codes.stride + k);
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
    if (weight->origin != NULL)
        return derive_codes(fetch, weight, area, scratch, codes, err);
    if (weight->row_order != NULL || weight->column_order != NULL)
        return ordered_codes(fetch, weight, area, scratch, codes, err);
    TRY(decode_raw(fetch, weight, area, scratch, &raw, err));
    *codes = (struct codes){scratch_take(scratch, SCRATCH_CODES, area.out * area.in, err), (size_t)area.in};
    if (codes->data == NULL)
        return STATUS_LIMIT;
    return decode_part(weight, area, raw, area, *codes, err);
}

/* --- the group map --------------------------------------------------------------------------------------------------------- */

static enum status stored_group_of(const struct fetch *fetch, const struct weight *weight, bool trivial, struct scratch *scratch, uint32_t **group_of,
                                   struct err *err)
{
    const uint32_t tensor = weight->role[ROLE_GROUP_OF];
    *group_of = scratch_take(scratch, SCRATCH_GROUP_OF, weight->in * sizeof **group_of, err);
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
        if (group < 0 && weight->unset_group_of)
            return stored_group_of(fetch, weight, true, scratch, group_of, err);
        if (group < 0) /* GPTQModel's packers count such an entry from the end */
            group += (int64_t)weight->groups;
        if (group < 0 || (uint64_t)group >= weight->groups)
            return err_set(err, STATUS_CORRUPT, fetch->model->tensor[tensor].name, "found group %d of column %llu, expected 0..%llu",
                           (int)(int32_t)(*group_of)[k], (unsigned long long)k, (unsigned long long)weight->groups - 1);
        (*group_of)[k] = (uint32_t)group;
    }
    return STATUS_OK;
}

enum status decode_group_of(const struct fetch *fetch, const struct weight *weight, bool trivial, struct scratch *scratch, uint32_t **group_of,
                            struct err *err)
{
    TRY(stored_group_of(fetch, weight, trivial, scratch, group_of, err));
    if (weight->column_order == NULL || trivial)
        return STATUS_OK;
    uint32_t *ordered = scratch_take(scratch, SCRATCH_ORDERED, weight->in * sizeof *ordered, err);
    if (ordered == NULL)
        return STATUS_LIMIT;
    for (uint64_t k = 0; k < weight->in; k++)
        ordered[k] = (*group_of)[weight->column_order[k]];
    scratch_swap(scratch, SCRATCH_GROUP_OF, SCRATCH_ORDERED);
    *group_of = ordered;
    return STATUS_OK;
}
