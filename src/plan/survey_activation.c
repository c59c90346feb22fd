#include "plan/survey_activation.h"

#include "base/le.h"
#include "codec/half.h"
#include "plan/activation.h"
#include "plan/params.h"

#include <math.h>

#define CHANNELS_MAX (UINT64_C(1) << 18) /* output channels in flight */
#define CODES_MAX (UINT64_C(8) << 20)    /* codes in flight */
#define ALIGN UINT64_C(64)               /* rows: a multiple of every layout's run along out */

/* What is surveyed, and for what. */
struct survey_source {
    const struct fetch *fetch;
    const struct weight *weight;
    const struct aim *aim; /* NULL: nothing is converted */
    enum dtype floats;     /* as struct aims */
    float input;           /* the input scale */
    struct scratch *scratch;
};

static float round_to(enum dtype dtype, float value, struct cast_tally *tally)
{
    uint8_t stored[4];
    float rounded;
    half_store(dtype, &value, 1, stored, tally);
    half_load(dtype, stored, 1, &rounded);
    return rounded;
}

/* A product of two F32 is exact in a double. */
static void tally_product(float input, float scale, struct cast_tally *tally)
{
    const double exact = (double)input * (double)scale;
    const float product = input * scale;
    tally->count++;
    if (!isfinite(exact) || (double)product == exact)
        return;
    tally->inexact++;
    if (isinf(product))
        tally->overflow++;
    else if (product == 0.0f)
        tally->underflow++;
    else
        tally->max_relative = fmax(tally->max_relative, fabs(((double)product - exact) / exact));
}

/* input scale * scale of output channels. */
struct products {
    uint64_t out0;
    size_t count;
    const float *value; /* [count] */
};

/* What a computed quant_bias loses: its input zero is an integer (an I8), so it is what rounding bias / deq_scale does. */
static enum status survey_biases(const struct survey_source *source, struct area area, const float *deq, double *largest, struct err *err)
{
    const struct weight *weight = source->weight;
    if (weight->role[ROLE_QUANT_BIAS] != MODEL_NONE || weight->role[ROLE_LAYER_BIAS] == MODEL_NONE)
        return STATUS_OK;
    float *bias = scratch_take(source->scratch, SCRATCH_VALUE, area.out * sizeof *bias, err);
    if (bias == NULL)
        return STATUS_LIMIT;
    TRY(activation_layer_bias(source->fetch, weight, area, source->scratch, bias, err));
    for (uint64_t i = 0; i < area.out; i++) {
        const double own = activation_bias(bias[i], deq[i], 0.0f, 0).exact;
        *largest = fmax(*largest, fabs(nearbyint(own) - own));
    }
    return STATUS_OK;
}

static struct area channels_at(const struct weight *weight, uint64_t out0, uint64_t step)
{
    return (struct area){out0, weight->out - out0 < step ? weight->out - out0 : step, 0, 1};
}

/* What becomes of an input scale, and of deq_scale = input scale * scale where it is not stored. */
static enum status survey_products(const struct survey_source *source, struct survey_weight *result, struct err *err)
{
    const struct weight *weight = source->weight;
    const enum dtype own = source->fetch->model->tensor[weight->role[ROLE_INPUT_SCALE]].dtype;
    if (source->aim == NULL || source->aim->dense || weight->spec.activation != ACTIVATION_STATIC)
        return STATUS_OK;
    const float kept = round_to(source->floats == DTYPE_NONE ? own : source->floats, source->input, &result->input);
    for (uint64_t out0 = 0; weight->role[ROLE_DEQ_SCALE] == MODEL_NONE && weight->groups == 1 && out0 < weight->out; out0 += CHANNELS_MAX) {
        const struct area area = channels_at(weight, out0, CHANNELS_MAX);
        struct params params;
        TRY(params_load(source->fetch, weight, area, source->scratch, &params, err));
        for (size_t i = 0; i < params.count; i++) {
            const float scale = round_to(source->aim->dtype, params.scale[i], NULL);
            tally_product(kept, scale, &result->products);
            params.scale[i] = kept * scale;
        }
        TRY(survey_biases(source, area, params.scale, &result->bias_error, err));
    }
    return STATUS_OK;
}

/* Of what is dropped: an error, and what it is relative to. */
static void note_apart(const struct survey_source *source, double error, double size, struct survey_weight *result)
{
    if (source->aim != NULL && source->aim->drops_derived && error > 0 && size > 0)
        result->apart = fmax(result->apart, error / size);
}

/* The tool computes in the model's dtype. */
static bool is_rounding_of(float deq, float product)
{
    return round_to(DTYPE_BF16, product, NULL) == deq || round_to(DTYPE_F16, product, NULL) == deq;
}

/* A stored deq_scale against input scale * scale. */
static enum status survey_deqs(const struct survey_source *source, struct survey_weight *result, struct err *err)
{
    const struct weight *weight = source->weight;
    if (weight->role[ROLE_DEQ_SCALE] == MODEL_NONE || weight->role[ROLE_SCALES] == MODEL_NONE || weight->groups != 1)
        return STATUS_OK;
    for (uint64_t out0 = 0; out0 < weight->out; out0 += CHANNELS_MAX) {
        const struct area area = channels_at(weight, out0, CHANNELS_MAX);
        struct params params;
        TRY(params_load(source->fetch, weight, area, source->scratch, &params, err));
        float *deq = scratch_take(source->scratch, SCRATCH_DENSE, area.out * sizeof *deq, err);
        if (deq == NULL)
            return STATUS_LIMIT;
        TRY(params_deqs(source->fetch, weight, area, source->scratch, deq, err));
        for (size_t i = 0; i < params.count; i++) {
            const double product = (double)source->input * (double)params.scale[i];
            result->strange_deqs += !activation_deq_follows(product, (double)deq[i]);
            if (!is_rounding_of(deq[i], (float)product))
                note_apart(source, fabs(product - (double)deq[i]), fabs(product), result);
        }
    }
    return STATUS_OK;
}

/* A stored quant_bias that the target has no place for, or where nothing is converted, against what the rest says: for that the codes are read. */
static enum status survey_quant_biases(const struct survey_source *source, struct survey_weight *result, struct err *err)
{
    const struct weight *weight = source->weight;
    const uint32_t stored = weight->role[ROLE_QUANT_BIAS];
    if (stored == MODEL_NONE || weight->role[ROLE_DEQ_SCALE] == MODEL_NONE || (source->aim != NULL && !source->aim->drops_derived))
        return STATUS_OK;
    const uint64_t fit = CODES_MAX / weight->in / ALIGN * ALIGN, step = fit == 0 ? ALIGN : fit;
    float zero;
    TRY(activation_value(source->fetch, weight, ROLE_INPUT_ZERO, &zero, err));
    if (!(zero >= -128.0f && zero <= 127.0f) || zero != floorf(zero)) /* refused as no int8 */
        return STATUS_OK;
    for (uint64_t out0 = 0; out0 < weight->out; out0 += step) {
        const struct area one = channels_at(weight, out0, step), area = {one.out0, one.out, 0, weight->in};
        int64_t *sum = scratch_take(source->scratch, SCRATCH_SUMS, area.out * (sizeof *sum + 2 * sizeof(float) + sizeof(uint32_t)), err);
        if (sum == NULL)
            return STATUS_LIMIT;
        float *bias = (float *)(void *)(sum + area.out), *deq = bias + area.out;
        uint8_t *quantized = (uint8_t *)(deq + area.out);
        TRY(activation_layer_bias(source->fetch, weight, area, source->scratch, bias, err));
        TRY(params_deqs(source->fetch, weight, one, source->scratch, deq, err));
        TRY(activation_sums(source->fetch, weight, area, source->scratch, sum, err));
        TRY(fetch_bytes(source->fetch, stored, area.out0 * 4, quantized, area.out * 4, err));
        for (uint64_t i = 0; i < area.out; i++) {
            const struct activation_bias formula = activation_bias(bias[i], deq[i], zero, sum[i]);
            const double found = (double)(int32_t)le_load32(quantized + 4 * i);
            result->strange_biases += !activation_bias_follows(formula, found);
            note_apart(source, fabs(formula.exact - found) - 0.5, formula.size, result);
        }
    }
    return STATUS_OK;
}

enum status survey_activation(const struct fetch *fetch, const struct aims *aims, uint32_t index, struct scratch *scratch, struct survey_weight *result,
                              struct err *err)
{
    const struct weight *weight = &fetch->model->weight[index];
    struct survey_source source = {
        .fetch = fetch,
        .weight = weight,
        .aim = aims == NULL ? NULL : &aims->weight[index],
        .floats = aims == NULL ? DTYPE_NONE : aims->floats,
        .scratch = scratch,
    };
    const uint32_t zero = weight->role[ROLE_INPUT_ZERO];
    uint8_t stored[8] = {0};
    if (weight->role[ROLE_INPUT_SCALE] != MODEL_NONE) {
        TRY(activation_value(fetch, weight, ROLE_INPUT_SCALE, &source.input, err));
        result->groups.bad_scales += isfinite(source.input) ? 0 : 1;
        TRY(survey_products(&source, result, err));
        TRY(survey_deqs(&source, result, err));
        TRY(survey_quant_biases(&source, result, err));
    }
    if (zero == MODEL_NONE)
        return STATUS_OK;
    const struct tensor *tensor = &fetch->model->tensor[zero];
    TRY(fetch_bytes(fetch, zero, 0, stored, tensor->bytes < sizeof stored ? tensor->bytes : sizeof stored, err));
    float value = stored[0] != 0;
    if (dtype_is_plain_float(tensor->dtype))
        half_load(tensor->dtype, stored, 1, &value);
    result->input_zero = value != 0.0f;
    return STATUS_OK;
}
