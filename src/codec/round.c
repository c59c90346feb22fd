#include "codec/round.h"

#include "codec/half.h"
#include "codec/round_kernels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* --- the range of a group --------------------------------------------------------------------------------------------------- */

struct range {
    float min, max;
    size_t nonfinite;
};

static void range_lane(float w, size_t lane, struct round_range *range)
{
    range->least[lane] = w < range->least[lane] ? w : range->least[lane];
    range->most[lane] = w > range->most[lane] ? w : range->most[lane];
    range->nonfinite[lane] += !(fabsf(w) < INFINITY);
}

static void range_lanes(const float *weight, size_t count, struct round_range *range)
{
    for (size_t at = 0; at < count; at += ROUND_LANES)
        for (size_t lane = 0; lane < ROUND_LANES; lane++)
            range_lane(weight[at + lane], lane, range);
}

static struct range range_of(const struct round_kernels *with, const float *weight, size_t count)
{
    const size_t whole = count / ROUND_LANES * ROUND_LANES;
    struct round_range lanes = {.nonfinite = {0}};
    for (size_t lane = 0; lane < ROUND_LANES; lane++) {
        lanes.least[lane] = INFINITY;
        lanes.most[lane] = -INFINITY;
    }
    with->range(weight, whole, &lanes);
    for (size_t at = whole; at < count; at++)
        range_lane(weight[at], 0, &lanes);
    struct range range = {.min = lanes.least[0], .max = lanes.most[0], .nonfinite = lanes.nonfinite[0]};
    for (size_t lane = 1; lane < ROUND_LANES; lane++) {
        range.min = lanes.least[lane] < range.min ? lanes.least[lane] : range.min; /* none is a NaN; which of two zeros, nothing depends on */
        range.max = lanes.most[lane] > range.max ? lanes.most[lane] : range.max;
        range.nonfinite += lanes.nonfinite[lane];
    }
    return range;
}

/* --- scale, zero and bias ---------------------------------------------------------------------------------------------------- */

static float cast(enum dtype dtype, float value)
{
    if (dtype == DTYPE_F16)
        return half_from_f16(half_to_f16(value));
    return dtype == DTYPE_BF16 ? half_from_bf16(half_to_bf16(value)) : value;
}

/* Judges the cast of an exact scale. */
static bool scale_is_good(float wide, float scale, struct round_tally *tally)
{
    const bool overflow = !isfinite(scale), underflow = scale == 0.0f && wide != 0.0f;
    tally->overflow += overflow ? 1 : 0;
    tally->underflow += underflow ? 1 : 0;
    return !overflow && !underflow;
}

/* Scale and zero of the grids whose zero is an integer. The division by the number of steps can lose a tiny range: underflow too. */
static bool integer_params(const struct round_rule *rule, struct range range, struct round_params *params, struct round_tally *tally)
{
    const int32_t half = INT32_C(1) << (rule->bits - 1), code_max = 2 * half - 1;
    const bool asymmetric = rule->grid == ROUND_ASYMMETRIC;
    const float min = fminf(range.min, 0.0f), max = fmaxf(range.max, 0.0f);
    const float width = fabsf(asymmetric ? max - min : fmaxf(-min, max)); /* zeros have signs */
    const float wide = width / (float)(asymmetric ? code_max : half - 1);
    *params = (struct round_params){.scale = cast(rule->scale_dtype, wide), .zero = half};
    if (!scale_is_good(width, params->scale, tally))
        return false;
    if (asymmetric && params->scale != 0.0f) {
        const float zero = rintf(-min / params->scale);
        params->zero = zero > (float)code_max ? code_max : (int32_t)zero;
        tally->clamped += zero > (float)code_max ? 1 : 0;
    }
    return true;
}

/* The larger edge of the range becomes a point of the grid, and the bias. */
static bool mlx_params(const struct round_rule *rule, struct range range, struct round_params *params, struct round_divider *by,
                       struct round_tally *tally)
{
    const float least_scale = 1e-7f;
    const bool low_edge = fabsf(range.min) > fabsf(range.max);
    const float edge = low_edge ? range.min : range.max;
    const float step = (range.max - range.min) / (float)by->code_max, size = least_scale > step ? least_scale : step;
    float scale = low_edge ? size : -size, beta = 0.0f;
    const float steps = rintf(edge / scale);
    if (steps != 0.0f) {
        scale = edge / steps;
        beta = edge;
    }
    *params = (struct round_params){.scale = cast(rule->scale_dtype, scale), .beta = cast(rule->scale_dtype, beta)};
    by->divisor = scale;
    by->shift = beta;
    if (!isfinite(params->beta)) {
        tally->overflow++;
        return false;
    }
    return scale_is_good(scale, params->scale, tally);
}

/* --- codes and errors -------------------------------------------------------------------------------------------------------- */

static int32_t nearest(float value)
{
    const float above = value > -ROUND_BOUND ? value : -ROUND_BOUND, within = above < ROUND_BOUND ? above : ROUND_BOUND;
    return (int32_t)((within + ROUND_MAGIC) - ROUND_MAGIC);
}

static uint64_t divide(const struct round_divider *by, const float *weight, size_t count, uint8_t *codes)
{
    uint32_t clamped = 0;
    const struct round_divider d = *by;
    for (size_t i = 0; i < count; i++) {
        const int32_t code = nearest((weight[i] - d.shift) / d.divisor) + d.zero;
        const int32_t above = code > 0 ? code : 0, within = above < d.code_max ? above : d.code_max;
        clamped += code != within;
        codes[i] = (uint8_t)within;
    }
    return clamped;
}

/* sum += value, without losing what a double cannot hold (Knuth's two-sum). */
static void add_twice(double *sum, double *low, double value, double value_low)
{
    const double total = *sum + value, part = total - *sum;
    const double lost = (*sum - (total - part)) + (value - part) + *low + value_low;
    *sum = total + lost;
    *low = lost - (*sum - total);
}

/* Any count: its last lanes may be missing. */
static void measure_lanes(const struct round_params *params, const float *weight, size_t count, const uint8_t *codes, struct round_errors *errors)
{
    const double scale = (double)params->scale, beta = (double)params->beta;
    for (size_t at = 0; at < count; at += ROUND_LANES) {
        const size_t lanes = count - at < ROUND_LANES ? count - at : ROUND_LANES;
        for (size_t lane = 0; lane < lanes; lane++) {
            const double value = (double)(codes[at + lane] - params->zero) * scale + beta, error = (double)weight[at + lane] - value;
            errors->most[lane] = fabs(error) > errors->most[lane] ? fabs(error) : errors->most[lane];
            errors->squares[lane] += error * error;
        }
    }
}

static void add_errors(const struct round_errors *errors, struct round_tally *tally)
{
    double sum = 0;
    for (size_t lane = 0; lane < ROUND_LANES; lane++) {
        tally->max_error = errors->most[lane] > tally->max_error ? errors->most[lane] : tally->max_error;
        sum += errors->squares[lane];
    }
    add_twice(&tally->squares, &tally->squares_low, sum, 0);
}

void round_tally_add(struct round_tally *sum, const struct round_tally *part)
{
    sum->groups += part->groups;
    sum->weights += part->weights;
    sum->nonfinite += part->nonfinite;
    sum->overflow += part->overflow;
    sum->underflow += part->underflow;
    sum->clamped += part->clamped;
    sum->max_error = fmax(sum->max_error, part->max_error);
    add_twice(&sum->squares, &sum->squares_low, part->squares, part->squares_low);
}

double round_tally_rms(const struct round_tally *tally)
{
    return tally->weights == 0 ? 0 : sqrt((tally->squares + tally->squares_low) / (double)tally->weights);
}

/* --- a group ----------------------------------------------------------------------------------------------------------------- */

static const struct round_kernels plain = {range_lanes, divide, measure_lanes};

struct group {
    const float *weight;
    size_t count;
    uint8_t *codes;
};

static void make_codes(const struct round_kernels *with, const struct round_divider *by, const struct round_params *params, const struct group *group,
                       struct round_tally *tally)
{
    const size_t whole = group->count / ROUND_LANES * ROUND_LANES, rest = group->count - whole;
    struct round_errors errors = {{0}, {0}};
    if (tally == NULL) {
        (void)with->divide(by, group->weight, whole, group->codes);
        (void)divide(by, group->weight + whole, rest, group->codes + whole);
        return;
    }
    tally->clamped += with->divide(by, group->weight, whole, group->codes);
    tally->clamped += divide(by, group->weight + whole, rest, group->codes + whole);
    with->measure(params, group->weight, whole, group->codes, &errors);
    measure_lanes(params, group->weight + whole, rest, group->codes + whole, &errors);
    add_errors(&errors, tally);
}

static void round_with(const struct round_kernels *with, const struct round_rule *rule, const struct group *group, struct round_params *params,
                       struct round_tally *asked)
{
    const bool mlx = rule->grid == ROUND_MLX;
    struct round_tally none = {0}, *const tally = asked == NULL ? &none : asked;
    const struct range range = range_of(with, group->weight, group->count);
    struct round_divider by = {.code_max = (INT32_C(1) << rule->bits) - 1};
    tally->groups++;
    tally->weights += group->count;
    tally->nonfinite += range.nonfinite;
    const bool good = range.nonfinite == 0 &&
                      (mlx ? mlx_params(rule, range, params, &by, tally) : integer_params(rule, range, params, tally));
    if (!good)
        *params = (struct round_params){.zero = mlx ? 0 : INT32_C(1) << (rule->bits - 1)};
    if (!good || (!mlx && params->scale == 0.0f)) {
        memset(group->codes, params->zero, group->count);
        return;
    }
    if (!mlx) {
        by.divisor = params->scale;
        by.zero = params->zero;
    }
    make_codes(with, &by, params, group, asked);
}

void round_group_reference(const struct round_rule *rule, const float *weight, size_t count, struct round_params *params, uint8_t *codes,
                           struct round_tally *tally)
{
    round_with(&plain, rule, &(struct group){weight, count, codes}, params, tally);
}

void round_group(const struct round_rule *rule, const float *weight, size_t count, struct round_params *params, uint8_t *codes,
                 struct round_tally *tally)
{
    const struct round_kernels *with = &plain;
#if defined(__x86_64__)
    if (round_avx2_usable())
        with = &round_avx2_kernels;
#endif
    round_with(with, rule, &(struct group){weight, count, codes}, params, tally);
}
