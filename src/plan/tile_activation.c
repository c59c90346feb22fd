#include "plan/tile_activation.h"

#include "base/le.h"
#include "codec/half.h"
#include "plan/activation.h"
#include "plan/params.h"

#include <math.h>
#include <string.h>

static enum status refuse_number(const struct making *making, const char *what, double value, const char *expected, struct err *err)
{
    (void)err_set(err, STATUS_UNREPRESENTABLE, making->output->name, "found the %s %g, expected %s", what, value, expected);
    return err_try(err, "--weights-only with a weight-only format drops the activation parameters; --keep leaves this layer float");
}

static enum status make_one(const struct making *making, enum role role, struct err *err)
{
    float value;
    TRY(activation_value(making->maker->fetch, making->weight, role, &value, err));
    if (making->output->dtype == DTYPE_I8) {
        if (!(value >= -128.0f && value <= 127.0f) || value != floorf(value))
            return refuse_number(making, "input zero", (double)value, "an integer in -128..127 (R-RANGE)", err);
        making->data[0] = (uint8_t)(int8_t)value;
        return STATUS_OK;
    }
    struct cast_tally cast = {0};
    half_store(making->output->dtype, &value, 1, making->data, &cast);
    if (cast.overflow + cast.underflow > 0)
        return refuse_number(making, "input scale", (double)value, "one in the range of the scales' dtype (R-SCALE)", err);
    return STATUS_OK;
}

static float round_to(enum dtype dtype, float value)
{
    uint8_t stored[4];
    float rounded;
    half_store(dtype, &value, 1, stored, NULL);
    half_load(dtype, stored, 1, &rounded);
    return rounded;
}

/* deq_scale of output channels [row0, row0 + rows) in F32, in SCRATCH_VALUE: of both scales as they are written. */
static enum status load_products(const struct making *making, struct tile tile, float **product, struct err *err)
{
    struct params params;
    float input;
    TRY(activation_value(making->maker->fetch, making->weight, ROLE_INPUT_SCALE, &input, err));
    TRY(params_load(making->maker->fetch, making->weight, (struct area){tile.row0, tile.rows, 0, 1}, making->scratch, &params, err));
    *product = scratch_take(making->scratch, SCRATCH_VALUE, tile.rows * sizeof **product, err);
    if (*product == NULL)
        return STATUS_LIMIT;
    if (making->maker->plan->aims->floats != DTYPE_NONE)
        input = round_to(making->maker->plan->aims->floats, input);
    for (uint64_t row = 0; row < tile.rows; row++)
        (*product)[row] = input * round_to(making->spec->scale_dtype, params.scale[row]);
    return STATUS_OK;
}

static enum status make_products(const struct making *making, struct err *err)
{
    float *product;
    TRY(load_products(making, making->tile, &product, err));
    for (uint64_t row = 0; row < making->tile.rows; row++) {
        uint32_t bits;
        if (!isfinite(product[row]))
            return refuse_number(making, "product of input scale and scale", (double)product[row], "an F32 (R-SCALE)", err);
        memcpy(&bits, &product[row], sizeof bits);
        le_store32(making->data + row * making->row_bytes, bits);
        if (making->output->dtype == DTYPE_I64) /* sign-extended, as torch's int32 -> int64 is */
            le_store32(making->data + row * making->row_bytes + 4, bits >> 31 != 0 ? UINT32_MAX : 0);
    }
    return STATUS_OK;
}

static enum status make_biases(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    const struct fetch *fetch = making->maker->fetch;
    const uint64_t fit = (UINT64_C(8) << 20) / weight->in / 64 * 64, step = fit == 0 ? 64 : fit; /* whole runs of every layout */
    float zero, *product;
    TRY(activation_value(fetch, weight, ROLE_INPUT_ZERO, &zero, err));
    TRY(load_products(making, making->tile, &product, err));
    for (uint64_t at = 0; at < making->tile.rows; at += step) {
        const struct area area = {making->tile.row0 + at, making->tile.rows - at < step ? making->tile.rows - at : step, 0, weight->in};
        int64_t *sum = scratch_take(making->scratch, SCRATCH_SUMS, area.out * (sizeof *sum + sizeof(float)), err);
        if (sum == NULL)
            return STATUS_LIMIT;
        float *bias = (float *)(void *)(sum + area.out);
        TRY(activation_layer_bias(fetch, weight, area, making->scratch, bias, err));
        TRY(activation_sums(fetch, weight, area, making->scratch, sum, err));
        for (uint64_t row = 0; row < area.out; row++) {
            const double value = nearbyint(activation_bias(bias[row], product[at + row], zero, sum[row]).exact);
            if (!(value >= INT32_MIN && value <= INT32_MAX))
                return refuse_number(making, "quantized bias", value, "an I32 (R-RANGE)", err);
            le_store32(making->data + (at + row) * 4, (uint32_t)(int32_t)value);
        }
    }
    return STATUS_OK;
}

static enum role role_of(enum step step)
{
    return step == STEP_INPUT_SCALE  ? ROLE_INPUT_SCALE
           : step == STEP_INPUT_ZERO ? ROLE_INPUT_ZERO
           : step == STEP_DEQ_SCALE  ? ROLE_DEQ_SCALE
                                     : ROLE_QUANT_BIAS;
}

enum status tile_activation_make(const struct making *making, struct err *err)
{
    const enum role role = role_of(making->output->step);
    const uint32_t stored = making->weight->role[role];
    if (stored != MODEL_NONE && making->maker->fetch->model->tensor[stored].dtype == making->output->dtype)
        return fetch_bytes(making->maker->fetch, stored, making->tile.row0 * making->row_bytes, making->data, making->tile.rows * making->row_bytes, err);
    switch (making->output->step) {
    case STEP_DEQ_SCALE:
        return make_products(making, err);
    case STEP_QUANT_BIAS:
        return make_biases(making, err);
    default:
        return make_one(making, role, err);
    }
}
