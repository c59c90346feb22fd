#include "plan/contrast_activation.h"

#include "base/le.h"
#include "codec/half.h"
#include "plan/activation.h"
#include "plan/difference.h"
#include "plan/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ACTIVATION_CODES (UINT64_C(8) << 20)    /* in flight at a time */
#define ACTIVATION_CHANNELS (UINT64_C(1) << 16) /* likewise, where rows are short */
#define ACTIVATION_ROWS UINT64_C(64)            /* output channels at a time are a multiple: whole runs of every layout */

/* --- what is found of one parameter ------------------------------------------------------------------------------------------ */

struct tally {
    enum role role;
    uint64_t differs, rounded;
    uint64_t row; /* of the largest error, and its numbers; of those that differ if there are any */
    double a, b, error;
    double max_relative;   /* of what is rounded */
    double largest, apart; /* |a|, and |a - b|, for --tolerance */
    bool computed;         /* one of both is what the formula says, as only one side stores it */
};

static double relative_to(double reference, double other)
{
    const double apart = fabs(other - reference);
    return apart == 0.0 ? 0.0 : isnan(apart) || reference == 0.0 ? (double)INFINITY : apart / fabs(reference);
}

/* Numbers of one row that are not equal. The error of a scale is relative, that of an integer is not; what differs outranks what is rounded. */
static void note(struct tally *tally, bool rounds, uint64_t row, double a, double b)
{
    const bool scale = tally->role == ROLE_INPUT_SCALE || tally->role == ROLE_DEQ_SCALE;
    const double relative = tally->computed ? relative_to(b, a) : relative_to(a, b), error = scale ? relative : fabs(a - b);
    const bool first = tally->differs == 0 && (!rounds || tally->rounded == 0), rival = !rounds || tally->differs == 0;
    tally->differs += !rounds;
    tally->rounded += rounds;
    if (rounds)
        tally->max_relative = fmax(tally->max_relative, relative);
    if (!first && (!rival || error <= tally->error))
        return;
    tally->row = row;
    tally->a = a;
    tally->b = b;
    tally->error = error;
}

static void widen(struct tally *tally, double a, double b)
{
    const double apart = a == b ? 0.0 : fabs(a - b);
    tally->largest = fmax(tally->largest, isfinite(a) ? fabs(a) : 0.0);
    tally->apart = fmax(tally->apart, isfinite(apart) ? apart : (double)INFINITY);
}

static void describe(const struct tally *tally, struct pair *pair)
{
    const bool integer = tally->role == ROLE_INPUT_ZERO || tally->role == ROLE_QUANT_BIAS;
    (void)snprintf(pair->first, sizeof pair->first, "%s of row %llu: %.9g and %s%.9g, largest %serror %.3g", model_role_name(tally->role),
                   (unsigned long long)tally->row, tally->a, tally->computed ? "by formula " : "", tally->b, integer ? "" : "relative ", tally->error);
}

/* Adds what was found to the pair, after what was found before it. */
static void settle(struct tally *tally, double tolerance, struct pair *pair)
{
    if (tally->differs > 0 && tolerance >= 0 && isfinite(tally->apart) && tally->apart <= tolerance * tally->largest) {
        tally->rounded += tally->differs;
        tally->differs = 0;
        tally->max_relative = tally->largest > 0 ? tally->apart / tally->largest : 0;
    }
    pair->activations += tally->differs;
    pair->rounded_activations += tally->rounded;
    pair->max_relative = fmax(pair->max_relative, tally->rounded > 0 ? tally->max_relative : 0);
    const enum verdict verdict = tally->differs > 0 ? VERDICT_DIFFERS : tally->rounded > 0 ? VERDICT_ROUNDED : VERDICT_EQUAL;
    if (verdict <= pair->verdict)
        return;
    pair->verdict = verdict;
    describe(tally, pair);
}

/* --- one side ------------------------------------------------------------------------------------------------------------------ */

/* An output channel. */
struct channel {
    float product;                  /* of input scale and scale, in F32 */
    float deq;                      /* as stored, else the product */
    int32_t quant_bias;             /* as stored */
    struct activation_bias formula; /* of quant_bias */
};

struct side {
    const struct fetch *fetch;
    const struct weight *weight;
    struct scratch *scratch;
    float scale, zero;       /* of the input */
    enum dtype dtype;        /* of both factors of deq_scale; F32 where they are not of one dtype */
    struct channel *channel; /* of the rows at hand */
};

static bool has(const struct side *side, enum role role)
{
    return side->weight->role[role] != MODEL_NONE;
}

static enum status load_input(struct side *side, struct err *err)
{
    const struct weight *weight = side->weight;
    const enum dtype input = side->fetch->model->tensor[weight->role[ROLE_INPUT_SCALE]].dtype;
    const bool alike = has(side, ROLE_SCALES) && side->fetch->model->tensor[weight->role[ROLE_SCALES]].dtype == input;
    side->dtype = alike ? input : DTYPE_F32;
    TRY(activation_value(side->fetch, weight, ROLE_INPUT_SCALE, &side->scale, err));
    return activation_value(side->fetch, weight, ROLE_INPUT_ZERO, &side->zero, err);
}

static enum status load_raw(const struct side *side, uint32_t tensor, struct area area, uint8_t **raw, struct err *err)
{
    const uint64_t size = dtype_bits(side->fetch->model->tensor[tensor].dtype) / 8;
    *raw = scratch_take(side->scratch, SCRATCH_DENSE, area.out * size, err);
    return *raw == NULL ? STATUS_LIMIT : fetch_bytes(side->fetch, tensor, area.out0 * size, *raw, area.out * size, err);
}

/* Products, and deq_scale and quant_bias as they are stored, of the rows of an area. */
static enum status load_channels(struct side *side, struct area area, struct err *err)
{
    struct params params;
    uint8_t *raw;
    TRY(params_load(side->fetch, side->weight, (struct area){area.out0, area.out, 0, 1}, side->scratch, &params, err));
    side->channel = scratch_take(side->scratch, SCRATCH_VALUE, area.out * sizeof *side->channel, err);
    if (side->channel == NULL)
        return STATUS_LIMIT;
    for (uint64_t i = 0; i < area.out; i++)
        side->channel[i] = (struct channel){.product = side->scale * params.scale[i], .deq = side->scale * params.scale[i]};
    if (has(side, ROLE_DEQ_SCALE)) {
        float *deqs = scratch_take(side->scratch, SCRATCH_DENSE, area.out * sizeof *deqs, err);
        if (deqs == NULL)
            return STATUS_LIMIT;
        TRY(params_deqs(side->fetch, side->weight, area, side->scratch, deqs, err));
        for (uint64_t i = 0; i < area.out; i++)
            side->channel[i].deq = deqs[i];
    }
    if (!has(side, ROLE_QUANT_BIAS))
        return STATUS_OK;
    TRY(load_raw(side, side->weight->role[ROLE_QUANT_BIAS], area, &raw, err));
    for (uint64_t i = 0; i < area.out; i++)
        side->channel[i].quant_bias = (int32_t)le_load32(raw + i * 4);
    return STATUS_OK;
}

/* What the formula of quant_bias gives before it is rounded. */
static enum status load_formula(struct side *side, struct area area, struct err *err)
{
    int64_t *sum = scratch_take(side->scratch, SCRATCH_SUMS, area.out * (sizeof *sum + sizeof(float)), err);
    if (sum == NULL)
        return STATUS_LIMIT;
    float *bias = (float *)(void *)(sum + area.out);
    TRY(activation_layer_bias(side->fetch, side->weight, area, side->scratch, bias, err));
    TRY(activation_sums(side->fetch, side->weight, area, side->scratch, sum, err));
    for (uint64_t i = 0; i < area.out; i++)
        side->channel[i].formula = activation_bias(bias[i], side->channel[i].deq, side->zero, sum[i]);
    return STATUS_OK;
}

/* --- both sides ---------------------------------------------------------------------------------------------------------------- */

/* How a stored value stands to the formula of its own side. */
enum standing { STANDING_EXACT, STANDING_ROUNDED, STANDING_OFF };

static bool is_rounded_to(float wide, enum dtype dtype, float narrow)
{
    return difference_rounds_to(wide, DTYPE_F32, narrow, dtype);
}

static enum standing standing_of_deq(const struct side *side, const struct channel *channel)
{
    const float product = channel->product, deq = channel->deq;
    if (difference_bits(product) == difference_bits(deq) || !has(side, ROLE_SCALES) || is_rounded_to(product, side->dtype, deq))
        return STANDING_EXACT;
    const bool nearly = fabs((double)product - (double)deq) <= 0x1p-22 * fabs((double)product); /* of factors that were not yet F32 */
    return nearly || is_rounded_to(product, DTYPE_F16, deq) || is_rounded_to(product, DTYPE_BF16, deq) ? STANDING_ROUNDED : STANDING_OFF;
}

static enum standing standing_of_bias(const struct side *side, const struct channel *channel)
{
    const double stored = channel->quant_bias;
    (void)side;
    if (stored == nearbyint(channel->formula.exact))
        return STANDING_EXACT;
    return fabs(stored - channel->formula.exact) <= 0.5 + 0x1p-22 * channel->formula.size ? STANDING_ROUNDED : STANDING_OFF;
}

static bool deq_follows(const struct channel *channel)
{
    return activation_deq_follows((double)channel->product, (double)channel->deq);
}

static bool bias_follows(const struct channel *channel)
{
    return activation_bias_follows(channel->formula, channel->quant_bias);
}

/* deq_scale and quant_bias are compared by one rule. */
struct derived {
    enum role role;
    enum standing (*standing)(const struct side *side, const struct channel *channel);
    bool (*follows)(const struct channel *channel); /* near enough for the survey to let it be dropped */
    double (*stored)(const struct channel *channel);
    double (*formula)(const struct channel *channel);
};

static double stored_deq(const struct channel *channel)
{
    return (double)channel->deq;
}

static double formula_of_deq(const struct channel *channel)
{
    return (double)channel->product;
}

static double stored_bias(const struct channel *channel)
{
    return channel->quant_bias;
}

static double formula_of_bias(const struct channel *channel)
{
    return nearbyint(channel->formula.exact);
}

static const struct derived derived_deq = {ROLE_DEQ_SCALE, standing_of_deq, deq_follows, stored_deq, formula_of_deq};
static const struct derived derived_bias = {ROLE_QUANT_BIAS, standing_of_bias, bias_follows, stored_bias, formula_of_bias};

static bool same_number(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void contrast_derived(const struct derived *derived, const struct side side[2], struct tally *tally, struct area area)
{
    const bool left = has(&side[0], derived->role), right = has(&side[1], derived->role);
    const struct side *only = left ? &side[0] : &side[1];
    tally->computed = left != right;
    for (uint64_t i = 0; i < area.out; i++) {
        const struct channel *a = &side[0].channel[i], *b = &side[1].channel[i], *own = &only->channel[i];
        const double stored = derived->stored(own), other = tally->computed ? derived->formula(own) : derived->stored(b);
        enum standing standing = STANDING_EXACT;
        widen(tally, stored, other);
        if (tally->computed) {
            standing = derived->standing(only, own);
            standing = standing == STANDING_OFF && derived->follows(own) ? STANDING_ROUNDED : standing;
        } else if (!same_number(stored, other)) {
            const bool both = derived->standing(&side[0], a) != STANDING_OFF && derived->standing(&side[1], b) != STANDING_OFF;
            standing = both ? STANDING_ROUNDED : STANDING_OFF;
        }
        if (standing != STANDING_EXACT)
            note(tally, standing == STANDING_ROUNDED, area.out0 + i, stored, other);
    }
}

/* True where the rows' quant_biases leave nothing to be asked of the codes. */
static bool same_biases(const struct side side[2], struct area area)
{
    for (uint64_t i = 0; i < area.out; i++)
        if (side[0].channel[i].quant_bias != side[1].channel[i].quant_bias)
            return false;
    return has(&side[0], ROLE_QUANT_BIAS) == has(&side[1], ROLE_QUANT_BIAS);
}

static enum status contrast_channels(struct side side[2], double tolerance, struct pair *pair, struct err *err)
{
    const struct weight *weight = side[0].weight;
    const uint64_t fit = ACTIVATION_CODES / weight->in / ACTIVATION_ROWS * ACTIVATION_ROWS, most = fit < ACTIVATION_CHANNELS ? fit : ACTIVATION_CHANNELS;
    const uint64_t step = most == 0 ? ACTIVATION_ROWS : most;
    struct tally deq = {.role = ROLE_DEQ_SCALE}, bias = {.role = ROLE_QUANT_BIAS};
    for (uint64_t out0 = 0; out0 < weight->out; out0 += step) {
        const struct area area = {out0, weight->out - out0 < step ? weight->out - out0 : step, 0, weight->in};
        for (size_t s = 0; s < 2; s++)
            TRY(load_channels(&side[s], area, err));
        if (has(&side[0], ROLE_DEQ_SCALE) || has(&side[1], ROLE_DEQ_SCALE))
            contrast_derived(&derived_deq, side, &deq, area);
        if (same_biases(side, area))
            continue;
        for (size_t s = 0; s < 2; s++)
            if (has(&side[s], ROLE_QUANT_BIAS))
                TRY(load_formula(&side[s], area, err));
        contrast_derived(&derived_bias, side, &bias, area);
    }
    settle(&deq, tolerance, pair);
    settle(&bias, tolerance, pair);
    return STATUS_OK;
}

static void contrast_inputs(const struct side side[2], double tolerance, struct pair *pair)
{
    struct tally scale = {.role = ROLE_INPUT_SCALE}, zero = {.role = ROLE_INPUT_ZERO};
    enum dtype dtype[2];
    for (size_t s = 0; s < 2; s++)
        dtype[s] = side[s].fetch->model->tensor[side[s].weight->role[ROLE_INPUT_SCALE]].dtype;
    widen(&scale, (double)side[0].scale, (double)side[1].scale);
    widen(&zero, (double)side[0].zero, (double)side[1].zero);
    if (difference_bits(side[0].scale) != difference_bits(side[1].scale))
        note(&scale, difference_rounds_to(side[0].scale, dtype[0], side[1].scale, dtype[1]), 0, (double)side[0].scale, (double)side[1].scale);
    if (side[0].zero != side[1].zero && !(isnan(side[0].zero) && isnan(side[1].zero)))
        note(&zero, false, 0, (double)side[0].zero, (double)side[1].zero);
    settle(&scale, tolerance, pair);
    settle(&zero, tolerance, pair);
}

/* Static activations with one input scale. */
static bool is_static(const struct side *side)
{
    if (!has(side, ROLE_INPUT_SCALE))
        return false;
    const struct tensor *tensor = &side->fetch->model->tensor[side->weight->role[ROLE_INPUT_SCALE]];
    return dtype_is_plain_float(tensor->dtype) && model_elements(tensor) == 1;
}

enum status contrast_activation(const struct contrast *contrast, struct pair *pair, struct err *err)
{
    struct side side[2] = {{.fetch = contrast->a, .weight = &contrast->a->model->weight[pair->a], .scratch = contrast->scratch_a},
                           {.fetch = contrast->b, .weight = &contrast->b->model->weight[pair->b], .scratch = contrast->scratch_b}};
    const enum activation a = side[0].weight->spec.activation, b = side[1].weight->spec.activation;
    const double tolerance = contrast->options->tolerance;
    if (a != b && a != ACTIVATION_NONE && b != ACTIVATION_NONE) {
        pair->activations++;
        if (pair->verdict != VERDICT_DIFFERS)
            (void)snprintf(pair->first, sizeof pair->first, "%s and %s activations", spec_activation_name(a), spec_activation_name(b));
        pair->verdict = VERDICT_DIFFERS;
        return STATUS_OK;
    }
    if (!is_static(&side[0]) || !is_static(&side[1]) || side[0].weight->out != side[1].weight->out || side[0].weight->in != side[1].weight->in)
        return STATUS_OK;
    TRY(load_input(&side[0], err));
    TRY(load_input(&side[1], err));
    contrast_inputs(side, tolerance, pair);
    const bool derived = has(&side[0], ROLE_DEQ_SCALE) || has(&side[1], ROLE_DEQ_SCALE);
    return derived && side[0].weight->groups == 1 && side[1].weight->groups == 1 ? contrast_channels(side, tolerance, pair, err) : STATUS_OK;
}
