#include "plan/values.h"

#include "codec/ggml_codec.h"
#include "codec/codebook.h"
#include "codec/group.h"
#include "codec/half.h"
#include "codec/minifloat.h"

#include <math.h>

/* Notes what rounding to F32 did to a value. */
static void note_loss(struct values_loss *loss, double exact, float value)
{
    if (exact == (double)value || !isfinite(exact) || exact == 0.0)
        return;
    loss->inexact++;
    loss->max_relative = fmax(loss->max_relative, fabs((double)value - exact) / fabs(exact));
}

/* One group of one row: codes [count] of the same scale and zero. */
struct run {
    const uint8_t *code;
    size_t count;
    float scale, beta;
    float zero; /* in the domain of the codes; beta is used where it is not a number */
};

static void fill(const struct run *run, struct values_loss *loss, float *value)
{
    if (run->scale == 0.0f && run->zero == run->zero) {
        for (size_t i = 0; i < run->count; i++)
            value[i] = 0.0f;
    } else if (run->zero == run->zero) {
        for (size_t i = 0; i < run->count; i++)
            value[i] = ((float)run->code[i] - run->zero) * run->scale;
    } else {
        for (size_t i = 0; i < run->count; i++)
            value[i] = run->scale * (float)run->code[i] + run->beta;
    }
    /* what F32 makes of a scale and a beta is what they stand for; a zero and a scale have a product */
    for (size_t i = 0; loss != NULL && run->zero == run->zero && i < run->count; i++)
        note_loss(loss, ((double)run->code[i] - (double)run->zero) * (double)run->scale, value[i]);
}

/* Everything that one call reads. */
struct loaded {
    const struct weight *weight;
    struct codes codes;
    struct params params;
    const uint32_t *group_of; /* [in] */
};

static struct run run_of(const struct loaded *loaded, uint64_t row, uint64_t k)
{
    const struct params *params = &loaded->params;
    const struct spec *spec = &loaded->weight->spec;
    const uint64_t g = row * loaded->weight->groups + loaded->group_of[k];
    struct run run = {.code = loaded->codes.data + row * loaded->codes.stride + k, .scale = params->scale[g]};
    if (params->beta != NULL)
        run.beta = params->beta[g];
    if (spec->zero_kind == ZERO_BETA || params->zero[g] == GROUP_NO_ZERO)
        run.zero = __builtin_nanf("");
    else if (spec->zero_kind == ZERO_OFFSET && run.scale != 0.0f)
        run.zero = params->offset[g] + (float)(1 << (spec->bits - 1));
    else
        run.zero = (float)params->zero[g];
    return run;
}

static enum status load_affine(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float *values,
                               struct err *err)
{
    struct loaded loaded = {.weight = weight};
    const bool narrow = dtype_bits(weight->spec.scale_dtype) == 16 && weight->spec.zero_kind != ZERO_OFFSET; /* 8 and 11 bits: exact in F32 */
    uint32_t *group_of;
    TRY(decode_codes(fetch, weight, (struct area){rows.out0, rows.out, 0, weight->in}, scratch, &loaded.codes, err));
    TRY(params_load(fetch, weight, (struct area){rows.out0, rows.out, 0, weight->groups}, scratch, &loaded.params, err));
    TRY(decode_group_of(fetch, weight, rows.trivial, scratch, &group_of, err));
    loaded.group_of = group_of;
    for (uint64_t row = 0; row < rows.out; row++) {
        for (uint64_t k = 0; k < weight->in;) {
            struct run run = run_of(&loaded, row, k);
            run.count = 1;
            while (k + run.count < weight->in && group_of[k + run.count] == group_of[k])
                run.count++;
            fill(&run, narrow ? NULL : rows.loss, values + row * weight->in + k);
            k += run.count;
        }
    }
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
        *rows.loss = (struct values_loss){rows.loss->inexact + rows.out * weight->in, fmax(rows.loss->max_relative, 0x1p-23)}; /* two products */
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
        *rows.loss = (struct values_loss){rows.loss->inexact + count, fmax(rows.loss->max_relative, 0x1p-24)}; /* products of 24 bits each */
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
                    note_loss(rows.loss, exact, values[row * weight->in + k]);
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
