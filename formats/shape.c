#include "formats/shape.h"

#include "base/checked.h"

#include <stdio.h>

enum status shape_expect(const struct model *model, uint32_t tensor, uint64_t a, uint64_t b, struct err *err)
{
    char where[700], shape[128];
    if (model_is_2d(&model->tensor[tensor], a, b))
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where), "found shape %s, expected [%llu, %llu] (R-SHAPE)",
                   model_shape_text(&model->tensor[tensor], shape, sizeof shape), (unsigned long long)a, (unsigned long long)b);
}

enum status shape_expect_dtype(const struct model *model, uint32_t tensor, enum dtype dtype, struct err *err)
{
    char where[700];
    if (model->tensor[tensor].dtype == dtype)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where), "found dtype %s, expected %s",
                   dtype_name(model->tensor[tensor].dtype), dtype_name(dtype));
}

enum status shape_expect_float(const struct model *model, uint32_t tensor, struct err *err)
{
    char where[700];
    if (dtype_is_plain_float(model->tensor[tensor].dtype))
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where), "found dtype %s, expected F16, BF16 or F32",
                   dtype_name(model->tensor[tensor].dtype));
}

enum status shape_refuse_suffix(const struct model *model, const char *suffix, const char *what, struct err *err)
{
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        char where[700];
        if (slice_ends(slice_of(model->tensor[i].name), suffix))
            return err_set(err, STATUS_UNSUPPORTED, model_where(model, i, where, sizeof where),
                           "found %s, which is applied at run time and has no place in other formats", what);
    }
    return STATUS_OK;
}

enum status shape_group_of(const struct model *model, const struct weight *weight, struct err *err)
{
    const uint32_t tensor = weight->role[ROLE_GROUP_OF];
    char where[700], shape[128];
    if (tensor == MODEL_NONE)
        return STATUS_OK;
    TRY(shape_expect_dtype(model, tensor, DTYPE_I32, err));
    const struct tensor *group_of = &model->tensor[tensor];
    if (group_of->rank == 1 && group_of->shape[0] == weight->in)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where), "found shape %s, expected [%llu] (R-SHAPE)",
                   model_shape_text(group_of, shape, sizeof shape), (unsigned long long)weight->in);
}

static enum status check_groups(const struct model *model, struct weight *weight, int64_t group, struct err *err)
{
    const uint32_t scales = weight->role[ROLE_SCALES];
    char where[700];
    weight->groups = model->tensor[scales].shape[0];
    weight->spec.group = group > 0 && (uint64_t)group < weight->in ? (uint64_t)group : weight->in;
    const uint64_t expected = checked_div_up(weight->in, weight->spec.group);
    if (weight->groups == expected)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model_where(model, scales, where, sizeof where),
                   "found %llu groups, expected %llu: in_features %llu in groups of %llu (R-SHAPE)", (unsigned long long)weight->groups,
                   (unsigned long long)expected, (unsigned long long)weight->in, (unsigned long long)weight->spec.group);
}

enum status shape_from_codes(const struct model *model, struct weight *weight, int64_t group, struct err *err)
{
    const struct layout *codes = layout_row(weight->spec.codes_layout);
    const struct layout *zeros = layout_row(weight->spec.zeros_layout);
    const uint32_t stored = weight->role[ROLE_CODES], scales = weight->role[ROLE_SCALES];
    const struct tensor *tensor = &model->tensor[stored];
    char where[700], shape[128];
    TRY(shape_expect_dtype(model, stored, DTYPE_I32, err));
    TRY(shape_expect_float(model, scales, err));
    if (tensor->rank != 2 || model->tensor[scales].rank != 2 || model_elements(tensor) == 0)
        return err_set(err, STATUS_CORRUPT, model_where(model, stored, where, sizeof where), "found shape %s, expected two dimensions (R-SHAPE)",
                       model_shape_text(tensor, shape, sizeof shape));
    const uint64_t rows = tensor->shape[0], columns = tensor->shape[1];
    /* Stored [in...][out...] as both dialects have it: the packed dimension counts words. */
    weight->in = codes->pack == AXIS_IN ? rows * codes->word_bits / codes->field_bits : rows;
    weight->out = codes->pack == AXIS_OUT ? columns * codes->word_bits / codes->field_bits : columns;
    weight->spec.scale_dtype = model->tensor[scales].dtype;
    TRY(shape_expect(model, scales, model->tensor[scales].shape[0], weight->out, err));
    TRY(check_groups(model, weight, group, err));
    if (weight->role[ROLE_ZEROS] != MODEL_NONE) {
        TRY(shape_expect_dtype(model, weight->role[ROLE_ZEROS], DTYPE_I32, err));
        TRY(shape_expect(model, weight->role[ROLE_ZEROS], weight->groups, layout_words(zeros, weight->out), err));
    }
    return shape_group_of(model, weight, err);
}

enum status shape_blocks(const struct model *model, struct weight *weight, const int64_t block[2], struct err *err)
{
    const uint32_t at = weight->role[ROLE_SCALES];
    const struct tensor *scales = &model->tensor[at];
    const uint64_t count = model_elements(scales);
    char where[700], shape[128];
    TRY(shape_expect_float(model, at, err));
    weight->spec.scale_dtype = scales->dtype;
    weight->spec.group = weight->in;
    weight->groups = 1;
    weight->spec.param_order = ORDER_OUT_GROUP;
    const uint64_t rows = (uint64_t)block[0], columns = (uint64_t)block[1];
    const bool stated = block[0] > 0 && block[1] > 0;
    const uint64_t down = stated ? checked_div_up(weight->out, rows) : 0, across = stated ? checked_div_up(weight->in, columns) : 0;
    const bool squeezed = scales->rank == 4 && scales->shape[1] == 1 && scales->shape[3] == 1 && scales->shape[0] == down && scales->shape[2] == across;
    if (!stated || !(model_is_2d(scales, down, across) || squeezed)) {
        if (count == weight->out && (scales->rank == 1 || (scales->rank == 2 && scales->shape[1] == 1)))
            return STATUS_OK;
        if (count == 1) {
            weight->spec.param_order = ORDER_ONE;
            return STATUS_OK;
        }
        if (!stated) {
            (void)err_set(err, STATUS_CORRUPT, model_where(model, at, where, sizeof where),
                          "found shape %s, which is no scale of %llu x %llu per tensor or per channel, and no block size in config.json (R-SHAPE)",
                          model_shape_text(scales, shape, sizeof shape), (unsigned long long)weight->out, (unsigned long long)weight->in);
            return err_try(err, "add \"weight_block_size\": [rows, columns] to quantization_config, as it was when the weights were made");
        }
        (void)err_set(err, STATUS_CORRUPT, model_where(model, at, where, sizeof where),
                      "found shape %s, which is no scale of %llu x %llu in blocks of %llu x %llu (R-SHAPE)", model_shape_text(scales, shape, sizeof shape),
                      (unsigned long long)weight->out, (unsigned long long)weight->in, (unsigned long long)rows, (unsigned long long)columns);
        return err_try(err, "weight_block_size in config.json says how large the blocks are");
    }
    weight->spec.rows = rows;
    weight->spec.group = columns;
    weight->groups = across;
    return STATUS_OK;
}
