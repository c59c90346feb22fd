#include "plan/values.h"

#include "codec/affine.h"
#include "codec/codebook.h"
#include "codec/ggml_codec.h"
#include "codec/group.h"
#include "codec/half.h"
#include "codec/minifloat.h"

#include <math.h>

/* Everything that one call reads. */
struct loaded {
    const struct weight *weight;
    struct codes codes;
    struct params params;
    uint32_t *group_of; /* [in] */
    uint64_t *run;      /* [in] */
};

static struct affine affine_of(const struct loaded *loaded, uint64_t row, uint64_t k)
{
    const struct params *params = &loaded->params;
    const struct spec *spec = &loaded->weight->spec;
    const uint64_t g = row * loaded->weight->groups + loaded->group_of[k];
    struct affine affine = {.scale = params->scale[g]};
    if (params->beta != NULL)
        affine.beta = params->beta[g];
    if (spec->zero_kind == ZERO_BETA || params->zero[g] == GROUP_NO_ZERO)
        affine.zero = __builtin_nanf("");
    else if (spec->zero_kind == ZERO_OFFSET && affine.scale != 0.0f) /* as the tool has it: a sum with the middle would be rounded */
        affine = (struct affine){affine.scale, params->offset[g], affine.beta, (float)(1 << (spec->bits - 1))};
    else
        affine.zero = (float)params->zero[g];
    return affine;
}

/* Columns that share a group lie together, or do not: where each run of them begins, its length. */
static enum status find_runs(struct loaded *loaded, struct scratch *scratch, struct err *err)
{
    const uint64_t in = loaded->weight->in;
    const uint32_t *group_of = loaded->group_of;
    loaded->run = scratch_take(scratch, SCRATCH_RUN, in * sizeof *loaded->run, err);
    if (loaded->run == NULL)
        return STATUS_LIMIT;
    for (uint64_t k = 0, end; k < in; k = end) {
        for (end = k + 1; end < in && group_of[end] == group_of[k];)
            end++;
        loaded->run[k] = end - k;
    }
    return STATUS_OK;
}

static void fill_row(const struct loaded *loaded, uint64_t row, struct affine_loss *loss, float *value)
{
    const struct weight *weight = loaded->weight;
    const uint8_t *code = loaded->codes.data + row * loaded->codes.stride;
    for (uint64_t k = 0, run; k < weight->in; k += run) {
        const struct affine affine = affine_of(loaded, row, k);
        run = loaded->run[k];
        affine_values(&affine, code + k, (size_t)run, value + k);
        if (loss != NULL)
            affine_losses(&affine, code + k, (size_t)run, value + k, loss);
    }
}

enum status values_codes(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, struct codes *codes,
                         struct err *err)
{
    const struct area area = {rows.out0, rows.out, 0, weight->in};
    if (rows.ahead == NULL || rows.ahead->raw.data == NULL)
        return decode_codes(fetch, weight, area, scratch, codes, err);
    *codes = (struct codes){scratch_take(scratch, SCRATCH_CODES, area.out * area.in, err), (size_t)area.in};
    return codes->data == NULL ? STATUS_LIMIT : decode_part(weight, rows.ahead->area, rows.ahead->raw, area, *codes, err);
}

static enum status load_affine(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float *values,
                               struct err *err)
{
    struct loaded loaded = {.weight = weight};
    const bool narrow = dtype_bits(weight->spec.scale_dtype) == 16 && weight->spec.zero_kind != ZERO_OFFSET; /* 8 and 11 bits: exact in F32 */
    TRY(values_codes(fetch, weight, rows, scratch, &loaded.codes, err));
    TRY(params_load(fetch, weight, (struct area){rows.out0, rows.out, 0, weight->groups}, scratch, &loaded.params, err));
    TRY(decode_group_of(fetch, weight, rows.trivial, scratch, &loaded.group_of, err));
    TRY(find_runs(&loaded, scratch, err));
    for (uint64_t row = 0; row < rows.out; row++)
        fill_row(&loaded, row, narrow ? NULL : rows.loss, values + row * weight->in);
    return STATUS_OK;
}

enum status values_read_ahead(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch,
                              struct values_ahead *ahead, struct err *err)
{
    const struct spec *spec = &weight->spec;
    const bool affine = (spec->grid == GRID_AFFINE_ZERO || spec->grid == GRID_AFFINE_BETA) && spec->scale_rule != SCALE_ABSMAX;
    if (!affine || weight->origin != NULL || weight->row_order != NULL || weight->column_order != NULL || layout_row(spec->codes_layout)->slow == AXIS_OUT)
        return STATUS_OK;
    const uint64_t first = rows.out < ahead->step ? rows.out : ahead->step;
    if (ahead->raw.data != NULL && rows.out0 >= ahead->area.out0 && rows.out0 + first <= ahead->area.out0 + ahead->area.out)
        return STATUS_OK;
    const uint64_t fit = ahead->bytes_max * 8 / layout_row(spec->codes_layout)->field_bits / weight->in / ahead->step * ahead->step;
    const uint64_t some = fit < first ? first : fit, out = rows.out < some ? rows.out : some;
    ahead->area = (struct area){rows.out0, out, 0, weight->in};
    TRY(decode_raw(fetch, weight, ahead->area, scratch, &ahead->raw, err));
    scratch_swap(scratch, SCRATCH_RAW, SCRATCH_AHEAD);
    return STATUS_OK;
}

static enum status load_dense(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float *values,
                              struct err *err)
{
    const uint32_t tensor = weight->role[ROLE_DENSE];
    const enum dtype dtype = fetch->model->tensor[tensor].dtype;
    const uint64_t row_bytes = weight->in * dtype_bits(dtype) / 8;
    uint8_t *raw = scratch_take(scratch, SCRATCH_DENSE, rows.out * row_bytes, err);
    if (raw == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, tensor, rows.out0 * row_bytes, raw, rows.out * row_bytes, err));
    half_load(dtype, raw, (size_t)(rows.out * weight->in), values);
    return STATUS_OK;
}

/* int8 rows of bitsandbytes: two products, in its own order. */
static enum status load_int8(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float *values,
                             struct err *err)
{
    int8_t *codes = scratch_take(scratch, SCRATCH_DENSE, rows.out * weight->in, err);
    float *absmax = scratch_take(scratch, SCRATCH_SCALE, rows.out * sizeof *absmax, err);
    if (codes == NULL || absmax == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, weight->role[ROLE_CODES], rows.out0 * weight->in, codes, rows.out * weight->in, err));
    TRY(fetch_bytes(fetch, weight->role[ROLE_SCALES], rows.out0 * sizeof *absmax, absmax, rows.out * sizeof *absmax, err));
    if (rows.loss != NULL)
        *rows.loss = (struct affine_loss){rows.loss->inexact + rows.out * weight->in, fmax(rows.loss->max_relative, 0x1p-23)}; /* two products */
    for (uint64_t row = 0; row < rows.out; row++)
        codebook_load_int8(codes + row * weight->in, absmax[row], (size_t)weight->in, values + row * weight->in);
    return STATUS_OK;
}

/* The absmax of blocks [first, first + count), in SCRATCH_SCALE. */
static enum status load_absmax(const struct fetch *fetch, const struct weight *weight, uint64_t first, uint64_t count, struct scratch *scratch,
                               struct err *err)
{
    const uint64_t group = weight->spec.scale_group;
    float *absmax = scratch_take(scratch, SCRATCH_SCALE, count * sizeof *absmax, err);
    if (absmax == NULL)
        return STATUS_LIMIT;
    if (weight->spec.scale_rule != SCALE_CODED)
        return fetch_bytes(fetch, weight->role[ROLE_SCALES], first * sizeof *absmax, absmax, count * sizeof *absmax, err);
    const uint64_t first2 = first / group, count2 = (first + count - 1) / group - first2 + 1;
    uint8_t *codes = scratch_take(scratch, SCRATCH_FIELD, count, err);
    float *own = scratch_take(scratch, SCRATCH_OFFSET, count2 * sizeof *own, err), table[256];
    if (codes == NULL || own == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, weight->role[ROLE_TABLE2], 0, table, sizeof table, err));
    TRY(fetch_bytes(fetch, weight->role[ROLE_SCALES2], first2 * sizeof *own, own, count2 * sizeof *own, err));
    TRY(fetch_bytes(fetch, weight->role[ROLE_SCALES], first, codes, count, err));
    const struct codebook_nested nested = {table, own, (size_t)group, weight->spec.scale_offset};
    codebook_load_absmax(&nested, codes, first, (size_t)count, absmax);
    return STATUS_OK;
}

/* Blocks run over the flattened weight: rows need not begin with one. */
static enum status load_codebook(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float *values,
                                 struct err *err)
{
    const uint64_t first = rows.out0 * weight->in, count = rows.out * weight->in, block = weight->spec.group;
    const uint64_t block0 = first / block, blocks = (first + count - 1) / block - block0 + 1, bytes = (first % 2 + count + 1) / 2;
    uint8_t *nibbles = scratch_take(scratch, SCRATCH_DENSE, bytes, err);
    float table[16];
    if (nibbles == NULL)
        return STATUS_LIMIT;
    TRY(load_absmax(fetch, weight, block0, blocks, scratch, err));
    TRY(fetch_bytes(fetch, weight->role[ROLE_TABLE], 0, table, sizeof table, err));
    TRY(fetch_bytes(fetch, weight->role[ROLE_CODES], first / 2, nibbles, bytes, err));
    if (rows.loss != NULL)
        *rows.loss = (struct affine_loss){rows.loss->inexact + count, fmax(rows.loss->max_relative, 0x1p-24)}; /* products of 24 bits each */
    codebook_load(&(struct codebook){table, scratch->data[SCRATCH_SCALE], (size_t)block}, nibbles, first, (size_t)count, values);
    return STATUS_OK;
}

/* FP4 in blocks of 32 with an exponent each. */
static enum status load_mxfp4(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float *values,
                              struct err *err)
{
    const uint64_t blocks = weight->groups, bytes = weight->in / 2;
    uint8_t *nibbles = scratch_take(scratch, SCRATCH_DENSE, rows.out * bytes, err),
            *exponents = scratch_take(scratch, SCRATCH_FIELD, rows.out * blocks, err);
    if (nibbles == NULL || exponents == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, weight->role[ROLE_CODES], rows.out0 * bytes, nibbles, rows.out * bytes, err));
    TRY(fetch_bytes(fetch, weight->role[ROLE_SCALES], rows.out0 * blocks, exponents, rows.out * blocks, err));
    minifloat_load_mxfp4(nibbles, exponents, (size_t)(rows.out * blocks), values);
    for (uint64_t i = 0; weight->spec.block == GGML_MXFP4 && i < rows.out * weight->in; i++)
        values[i] += 0.0f; /* ggml has no -0 */
    return STATUS_OK;
}

/* FP8 with scales for the whole, for each channel, or for blocks of rows x group. */
static enum status load_fp8(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float *values,
                            struct err *err)
{
    const struct spec *spec = &weight->spec;
    const struct tensor *stored = &fetch->model->tensor[weight->role[ROLE_SCALES]];
    const uint64_t size = dtype_bits(stored->dtype) / 8, count = model_elements(stored), high = spec->rows == 0 ? 1 : spec->rows;
    uint8_t *codes = scratch_take(scratch, SCRATCH_FIELD, rows.out * weight->in, err), *raw = scratch_take(scratch, SCRATCH_RAW, count * size, err);
    float *scale = scratch_take(scratch, SCRATCH_SCALE, count * sizeof *scale, err);
    if (codes == NULL || raw == NULL || scale == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, weight->role[ROLE_SCALES], 0, raw, count * size, err));
    half_load(stored->dtype, raw, (size_t)count, scale);
    TRY(fetch_bytes(fetch, weight->role[ROLE_CODES], rows.out0 * weight->in, codes, rows.out * weight->in, err));
    minifloat_load(fetch->model->tensor[weight->role[ROLE_CODES]].dtype, codes, (size_t)(rows.out * weight->in), values);
    for (uint64_t row = 0; row < rows.out; row++) {
        const float *own = spec->param_order == ORDER_ONE ? scale : scale + (rows.out0 + row) / high * weight->groups;
        for (uint64_t g = 0; g < weight->groups; g++) {
            const uint64_t first = g * spec->group, end = weight->in - first < spec->group ? weight->in : first + spec->group;
            for (uint64_t k = first; k < end; k++) {
                const double exact = (double)values[row * weight->in + k] * (double)own[g];
                values[row * weight->in + k] *= own[g];
                if (rows.loss != NULL)
                    affine_lose(exact, values[row * weight->in + k], rows.loss);
            }
        }
    }
    return STATUS_OK;
}

/* Rows of ggml blocks (codec/ggml_codec.h). */
static enum status load_blocks(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float *values,
                               struct err *err)
{
    const enum ggml_type type = (enum ggml_type)weight->spec.block;
    uint64_t row_bytes;
    if (!ggml_codec_has(type) || !ggml_row_bytes(type, weight->in, &row_bytes))
        return err_set(err, STATUS_UNSUPPORTED, weight->name, "found blocks of %s, whose values this version does not compute", ggml_name(type));
    uint8_t *blocks = scratch_take(scratch, SCRATCH_RAW, rows.out * row_bytes, err);
    if (blocks == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, weight->role[ROLE_CODES], rows.out0 * row_bytes, blocks, rows.out * row_bytes, err));
    for (uint64_t row = 0; row < rows.out; row++)
        if (!ggml_codec_valid(type, blocks + row * row_bytes, weight->in))
            return err_set(err, STATUS_CORRUPT, weight->name, "found the scale of a block of %s that is NaN or infinite in row %llu (R-NONFINITE)",
                           ggml_name(type), (unsigned long long)(rows.out0 + row));
    ggml_codec_dequantize(type, blocks, rows.out * weight->in, values);
    return STATUS_OK;
}

enum status values_load(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float **values,
                        struct err *err)
{
    if (weight->origin != NULL) /* the values that its codes stand for are not asked for: its origin's are */
        return err_set(err, STATUS_UNSUPPORTED, weight->name, "found a weight that is rounded anew, whose values are its origin's");
    *values = scratch_take(scratch, SCRATCH_VALUE, rows.out * weight->in * sizeof **values, err);
    if (*values == NULL)
        return STATUS_LIMIT;
    switch (weight->spec.grid) {
    case GRID_AFFINE_ZERO:
    case GRID_AFFINE_BETA:
        if (weight->spec.scale_rule == SCALE_ABSMAX)
            return load_int8(fetch, weight, rows, scratch, *values, err);
        return load_affine(fetch, weight, rows, scratch, *values, err);
    case GRID_DENSE:
        return load_dense(fetch, weight, rows, scratch, *values, err);
    case GRID_MINIFLOAT:
        return weight->spec.bits == 4 ? load_mxfp4(fetch, weight, rows, scratch, *values, err) : load_fp8(fetch, weight, rows, scratch, *values, err);
    case GRID_CODEBOOK:
        return load_codebook(fetch, weight, rows, scratch, *values, err);
    case GRID_GGML_BLOCK:
        return load_blocks(fetch, weight, rows, scratch, *values, err);
    case GRID_COUNT:
        break;
    }
    return err_set(err, STATUS_UNSUPPORTED, weight->name, "found a %s weight, whose values this version does not compute",
                   spec_grid_name(weight->spec.grid));
}
