#include "plan/values.h"

#include "codec/group.h"
#include "codec/half.h"

/* One group of one row: codes [count] of the same scale and zero. */
struct run {
    const uint8_t *code;
    size_t count;
    float scale, beta;
    float zero; /* in the domain of the codes; beta is used where it is not a number */
};

static void fill(const struct run *run, float *value)
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
            fill(&run, values + row * weight->in + k);
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
        return load_affine(fetch, weight, rows, scratch, *values, err);
    case GRID_DENSE:
        return load_dense(fetch, weight, rows, scratch, *values, err);
    case GRID_MINIFLOAT:
    case GRID_CODEBOOK:
    case GRID_GGML_BLOCK:
    case GRID_COUNT:
        break;
    }
    return err_set(err, STATUS_UNSUPPORTED, weight->name, "found a %s weight, whose values this version does not compute",
                   spec_grid_name(weight->spec.grid));
}
