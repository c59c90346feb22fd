/* What a conversion of a random checkpoint must come to, from the model and the formats' definitions alone: success, or a status and the rules that
 * forbid it. Nothing here asks the library. */
#ifndef REPAQ_TESTS_FORECAST_H
#define REPAQ_TESTS_FORECAST_H

#include "checkpoint.h"
#include "plan/options.h"

/* One conversion of one model. */
struct trial {
    uint64_t seed;
    const struct checkpoint *c;
    enum dialect target;
    struct options options; /* keep names layer 1, exclude layer 2 */
    bool verify;
};

#define KEEP "layers\\.1\\."
#define EXCLUDE "layers\\.2\\."

enum rule {
    RULE_NONFINITE,
    RULE_AMBIGUOUS,
    RULE_SYMFLAG,
    RULE_RANGE,
    RULE_ZERO_V1,
    RULE_BITS,
    RULE_GROUP,
    RULE_SHAPE,
    RULE_ACTORDER,
    RULE_BIAS,
    RULE_ACTPARAM,
    RULE_SCALE,
    RULE_COUNT
};
static const char *const rule_names[RULE_COUNT] = {"R-NONFINITE", "R-AMBIG-V1", "R-SYMFLAG",  "R-RANGE", "R-ZERO-V1",  "R-BITS",
                                                   "R-GROUP",     "R-SHAPE",    "R-ACTORDER", "R-BIAS",  "R-ACTPARAM", "R-SCALE"};
#define BIT(rule) (1u << (rule))

struct forecast {
    enum status status;
    uint32_t rules;     /* one of these must be named; 0: any words will do */
    const char *module; /* that must be named; NULL: none */
};

/* --- what becomes of a layer -------------------------------------------------------------------------------------------------- */

static inline bool is_excluded(const struct trial *trial, const struct layer *layer)
{
    return trial->options.exclude != NULL && layer == &trial->c->layer[2];
}

static inline bool is_dense(const struct trial *trial, const struct layer *layer)
{
    return trial->target == DIALECT_HF || (trial->options.keep != NULL && layer == &trial->c->layer[1]);
}

static inline bool is_coded(const struct trial *trial, const struct layer *layer)
{
    return !is_excluded(trial, layer) && !is_dense(trial, layer);
}

static inline enum real real_of(enum dtype dtype, enum real otherwise)
{
    return dtype == DTYPE_F16 ? REAL_F16 : dtype == DTYPE_BF16 ? REAL_BF16 : dtype == DTYPE_F32 ? REAL_F32 : otherwise;
}

/* Of the scales, or of a weight that becomes floats. */
static inline enum real target_real(const struct trial *trial, const struct layer *layer)
{
    if (is_dense(trial, layer))
        return real_of(trial->options.dtype, trial->c->dialect == DIALECT_HF ? trial->c->real : trial->c->stated);
    if (trial->target == DIALECT_AWQ)
        return REAL_F16;
    if (trial->target == DIALECT_GPTQ || trial->target == DIALECT_GPTQ_V2)
        return trial->options.dtype == DTYPE_BF16 ? REAL_BF16 : REAL_F16;
    return real_of(trial->options.dtype, layer_real(trial->c, layer));
}

/* Of the input scale and, where it is a float, the input zero. */
static inline enum real input_real(const struct trial *trial, const struct layer *layer)
{
    return real_of(trial->options.dtype, layer_real(trial->c, layer));
}

static inline uint32_t target_bits(const struct trial *trial, const struct layer *layer)
{
    return trial->options.bits != 0 ? trial->options.bits : layer->bits;
}

/* Widths of each dialect without activations, and with them; bit b: width b. */
static inline bool holds_bits(enum dialect dialect, uint32_t bits, enum act act)
{
    static const uint32_t plain[DIALECT_COUNT] = {0x110, 0x010, 0x11c, 0x11c, 0x1fe, 0x17c, 0}, active[DIALECT_COUNT] = {0x100, 0, 0, 0, 0x110, 0, 0};
    return ((act == ACT_NONE ? plain : active)[dialect] >> bits & 1) != 0;
}

static inline enum act target_act(const struct trial *trial, const struct layer *layer)
{
    const bool dropped = trial->options.weights_only && !holds_bits(trial->target, target_bits(trial, layer), layer->act);
    return dropped ? ACT_NONE : layer->act;
}

/* Floats that stand for zeros stay as they are between equal widths of msModelSlim, and within MLX, where a wider container changes no code. */
static inline bool zeros_move(const struct trial *trial, const struct layer *layer)
{
    return trial->c->dialect == trial->target &&
           ((trial->target == DIALECT_MS && target_bits(trial, layer) == layer->bits) || trial->target == DIALECT_MLX);
}

static inline int32_t middle_shift(const struct trial *trial, const struct layer *layer)
{
    return trial->target == DIALECT_MLX ? 0 : (1 << (target_bits(trial, layer) - 1)) - layer_mid(layer);
}

/* --- groups --------------------------------------------------------------------------------------------------------------------- */

/* The one group size of targets that have one for all; 0: each weight its own. */
static inline int64_t common_group(const struct trial *trial)
{
    uint32_t common = 0;
    bool grouped = false;
    for (size_t l = 0; l < LAYERS; l++) {
        const struct layer *layer = &trial->c->layer[l];
        if (!is_coded(trial, layer) || (trial->target == DIALECT_MS && layer->groups == 1))
            continue;
        uint32_t a = layer->group, b = common;
        while (a != 0) {
            const uint32_t rest = b % a;
            b = a;
            a = rest;
        }
        common = b;
        grouped = grouped || layer->groups > 1;
    }
    if (trial->target == DIALECT_MLX)
        return common == 0 ? 0 : common % 128 == 0 ? 128 : common % 64 == 0 ? 64 : common % 32 == 0 ? 32 : 0;
    return grouped ? common : 0;
}

/* The group size of a layer in the target; *rules receives why there is none. */
static inline uint32_t target_group(const struct trial *trial, const struct layer *layer, uint32_t *rules)
{
    const bool shared = trial->target == DIALECT_AWQ || trial->target == DIALECT_MLX || (trial->target == DIALECT_MS && layer->groups > 1);
    const int64_t asked = trial->options.group != 0 ? trial->options.group : shared ? common_group(trial) : 0;
    const uint32_t wanted = asked == 0 ? layer->group : asked > 0 && asked < layer->in ? (uint32_t)asked : layer->in;
    *rules |= trial->target == DIALECT_MLX && wanted != 32 && wanted != 64 && wanted != 128 ? BIT(RULE_GROUP) : 0;
    if (wanted == layer->group)
        return wanted;
    *rules |= layer->group % wanted != 0 || layer->in % wanted != 0 ? BIT(RULE_GROUP) : 0;
    *rules |= layer_ordered(layer) ? 0 : BIT(RULE_ACTORDER);
    return wanted;
}

/* --- what is forbidden ---------------------------------------------------------------------------------------------------------- */

static inline uint32_t corruption(const struct checkpoint *c, const struct layer *layer)
{
    const uint32_t per = 32 / layer->bits;
    const bool v1 = c->dialect == DIALECT_GPTQ, silent = v1 && c->v1 == V1_SILENT && layer->bits != 3;
    uint32_t rules = 0;
    for (uint32_t o = 0; o < layer->out; o++) {
        for (uint32_t g = 0; g < layer->groups; g++) {
            const size_t at = (size_t)o * layer->groups + g;
            const bool stored = (c->dialect == DIALECT_MS && !layer_dead(layer, at) && isnan(layer->offset[at])) ||
                                (c->dialect == DIALECT_MLX && !isfinite(layer->offset[at]));
            rules |= !isfinite(layer->scale[at]) || stored ? BIT(RULE_NONFINITE) : 0;
            rules |= silent && layer->zero[at] == 0 && o % per != per - 1 ? BIT(RULE_AMBIGUOUS) : 0;
            rules |= c->sym && !layer_dead(layer, at) && layer->zero[at] != layer_mid(layer) ? BIT(RULE_SYMFLAG) : 0;
        }
    }
    return rules;
}

static inline uint32_t cast_rules(const struct trial *trial, enum real to, float value)
{
    const float rounded = real_round(to, value);
    const bool lost =
        (isinf(rounded) && !isinf(value)) || (rounded == 0.0f && value != 0.0f) || (trial->options.exact && isfinite(value) && rounded != value);
    return lost ? BIT(RULE_SCALE) : 0;
}

/* The number that layer_value rounds to F32; a scale and a bias stand for what F32 makes of them. */
static inline double exact_value(const struct checkpoint *c, const struct layer *layer, uint32_t o, uint32_t k)
{
    const size_t pair = (size_t)o * layer->groups + layer_group_of(layer, k);
    const double code = layer->code[(size_t)o * layer->in + k], scale = layer->scale[pair];
    if (c->dialect == DIALECT_MLX)
        return (double)layer_value(c, layer, o, k);
    if (scale == 0.0)
        return 0.0;
    return (code - (double)(c->dialect == DIALECT_MS ? layer->offset[pair] + (float)layer_mid(layer) : (float)layer->zero[pair])) * scale;
}

/* A value of a float tensor may become zero, but not infinite. */
static inline uint32_t value_rules(const struct trial *trial, enum real to, float value)
{
    const float rounded = real_round(to, value);
    const bool lost = (isinf(rounded) && !isinf(value)) || (trial->options.exact && isfinite(value) && rounded != value);
    return lost ? BIT(RULE_SCALE) : 0;
}

/* A weight that becomes floats. *corrupt: a value is none. */
static inline uint32_t dense_rules(const struct trial *trial, const struct layer *layer, bool *corrupt)
{
    uint32_t rules = 0;
    for (uint32_t o = 0; o < layer->out; o++) {
        for (uint32_t k = 0; k < layer->in; k++) {
            const float value = layer_value(trial->c, layer, o, k);
            *corrupt = *corrupt || !isfinite(value);
            rules |= value_rules(trial, target_real(trial, layer), value);
            rules |= trial->options.exact && isfinite(value) && (double)value != exact_value(trial->c, layer, o, k) ? BIT(RULE_SCALE) : 0;
        }
    }
    return rules;
}

/* The zero of a pair, moved to the target's width, in what the target keeps it by. */
static inline uint32_t zero_rules(const struct trial *trial, const struct layer *layer, size_t at)
{
    const int32_t bits = (int32_t)target_bits(trial, layer), zero = layer->zero[at] + middle_shift(trial, layer);
    const enum real to = target_real(trial, layer);
    const double bias = -(double)zero * (double)real_round(to, layer->scale[at]);
    const bool active = target_act(trial, layer) != ACT_NONE, mid = layer->zero[at] == layer_mid(layer);
    if (layer_dead(layer, at) && layer_whole(trial->c, layer, at))
        return 0;
    if (zeros_move(trial, layer) && !(active && (!mid || !layer_whole(trial->c, layer, at))))
        return trial->target == DIALECT_MLX                             ? cast_rules(trial, to, layer->offset[at])
               : real_round(to, layer->offset[at]) == layer->offset[at] ? 0
                                                                        : BIT(RULE_RANGE);
    if (!layer_whole(trial->c, layer, at))
        return BIT(RULE_RANGE);
    switch (trial->target) {
    case DIALECT_MLX:
        return (double)real_round(to, (float)bias) == bias ? 0 : BIT(RULE_BIAS);
    case DIALECT_MS:
        return (active && !mid) || layer->zero[at] < -128 || layer->zero[at] > 256 ? BIT(RULE_RANGE) : 0;
    case DIALECT_GPTQ:
        return zero < 0 || zero >= 1 << bits ? BIT(RULE_RANGE) : zero == 0 ? BIT(RULE_ZERO_V1) : 0;
    default:
        return zero < 0 || zero >= 1 << bits ? BIT(RULE_RANGE) : 0;
    }
}

static inline uint32_t shape_rules(const struct trial *trial, const struct layer *layer, uint32_t group)
{
    const uint32_t bits = target_bits(trial, layer), out = layer->out, in = layer->in;
    bool fits = true;
    if (trial->target == DIALECT_AWQ)
        fits = out % 8 == 0 && in % group == 0;
    else if (trial->target == DIALECT_GPTQ || trial->target == DIALECT_GPTQ_V2)
        fits = out * bits % 32 == 0 && in * bits % 32 == 0;
    else if (trial->target == DIALECT_MLX)
        fits = in % group == 0;
    else if (trial->target == DIALECT_MS)
        fits = in % group == 0 && (bits != 4 || trial->options.variant == VARIANT_UNPACKED || (group < in ? out : in) % 2 == 0);
    return fits ? 0 : BIT(RULE_SHAPE);
}

static inline uint32_t coded_rules(const struct trial *trial, const struct layer *layer)
{
    const uint32_t bits = target_bits(trial, layer);
    const enum act act = target_act(trial, layer);
    uint32_t rules = bits < layer->bits || !holds_bits(trial->target, bits, ACT_NONE) ? BIT(RULE_BITS) : 0;
    rules |= act != ACT_NONE && !holds_bits(trial->target, bits, act) ? BIT(RULE_ACTPARAM) : 0;
    const bool any_order = trial->target == DIALECT_GPTQ || trial->target == DIALECT_GPTQ_V2;
    rules |= any_order || layer_ordered(layer) || (trial->target == DIALECT_CT && layer_even(layer)) ? 0 : BIT(RULE_ACTORDER);
    const uint32_t group = target_group(trial, layer, &rules);
    rules |= trial->target == DIALECT_MS && act == ACT_STATIC && group < layer->in ? BIT(RULE_GROUP) : 0;
    if (rules != 0)
        return rules;
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++)
        rules |= zero_rules(trial, layer, i) | cast_rules(trial, target_real(trial, layer), layer->scale[i]);
    return rules | shape_rules(trial, layer, group);
}

/* Parts that only --exact forbids, once the whole plan stands: they are computed, and rounded. */
static inline bool is_rounded(const struct trial *trial, const struct layer *layer)
{
    if (is_excluded(trial, layer))
        return false;
    if (is_dense(trial, layer))
        return layer->no_scale;
    if (target_act(trial, layer) != ACT_STATIC)
        return layer->no_scale;
    const enum real from = layer_real(trial->c, layer), to = input_real(trial, layer);
    return layer->no_scale || (trial->target == DIALECT_MS && trial->c->dialect != DIALECT_MS) || (from != to && to != REAL_F32);
}

static inline bool has_no_byte(const struct trial *trial, const struct layer *layer)
{
    const float zero = layer->input_zero;
    return trial->target == DIALECT_CT && is_coded(trial, layer) && target_act(trial, layer) == ACT_STATIC &&
           !(zero >= -128.0f && zero <= 127.0f && zero == floorf(zero));
}

static inline struct forecast forecast_layer(const struct trial *trial, const struct layer *layer)
{
    bool corrupt = false;
    struct forecast forecast = {STATUS_OK, 0, layer->name};
    if (is_excluded(trial, layer))
        return forecast;
    forecast.rules = corruption(trial->c, layer);
    if (forecast.rules == 0)
        forecast.rules = is_dense(trial, layer) ? dense_rules(trial, layer, &corrupt) : coded_rules(trial, layer);
    else
        corrupt = true;
    forecast.rules |= corrupt ? BIT(RULE_NONFINITE) : 0;
    forecast.status = corrupt ? STATUS_CORRUPT : forecast.rules != 0 ? STATUS_UNREPRESENTABLE : STATUS_OK;
    return forecast;
}

/* A float checkpoint stays one; its values are cast, whatever they are. */
static inline struct forecast forecast_floats(const struct trial *trial)
{
    if (trial->target != DIALECT_HF)
        return (struct forecast){STATUS_UNREPRESENTABLE, 0, NULL}; /* rounding is asked for by --bits */
    for (size_t l = 0; l < LAYERS; l++) {
        const struct layer *layer = &trial->c->layer[l];
        uint32_t rules = 0;
        for (uint32_t o = 0; o < layer->out; o++)
            for (uint32_t k = 0; k < layer->in; k++)
                rules |= value_rules(trial, target_real(trial, layer), real_round(trial->c->real, layer_value(trial->c, layer, o, k)));
        if (rules != 0 && !is_excluded(trial, layer))
            return (struct forecast){STATUS_UNREPRESENTABLE, rules, layer->name};
    }
    return (struct forecast){STATUS_OK, 0, NULL};
}

static inline struct forecast forecast_of(const struct trial *trial)
{
    if (trial->c->dialect == DIALECT_HF)
        return forecast_floats(trial);
    for (size_t l = 0; l < LAYERS; l++) {
        const struct forecast forecast = forecast_layer(trial, &trial->c->layer[l]);
        if (forecast.status != STATUS_OK)
            return forecast;
    }
    for (size_t l = 0; l < LAYERS; l++)
        if (trial->options.exact && is_rounded(trial, &trial->c->layer[l]))
            return (struct forecast){STATUS_UNREPRESENTABLE, BIT(RULE_SCALE), NULL};
    for (size_t l = 0; l < LAYERS; l++)
        if (has_no_byte(trial, &trial->c->layer[l]))
            return (struct forecast){STATUS_UNREPRESENTABLE, BIT(RULE_RANGE), trial->c->layer[l].name};
    return (struct forecast){STATUS_OK, 0, NULL};
}

#endif
