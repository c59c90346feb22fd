#include "codec/round.h"

#include "codec/half.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LANES 8 /* of the loops that reduce: their order is fixed here, and is what vectors do */

/* --- the range of a group --------------------------------------------------------------------------------------------------- */

struct range {
    float min, max;
    size_t nonfinite;
};

static struct range range_of(const float *weight, size_t count)
{
    float least[LANES], most[LANES];
    uint32_t odd[LANES] = {0};
    for (size_t lane = 0; lane < LANES; lane++) {
        least[lane] = INFINITY;
        most[lane] = -INFINITY;
    }
    size_t at = 0;
    for (; at + LANES <= count; at += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const float w = weight[at + lane];
            least[lane] = w < least[lane] ? w : least[lane];
            most[lane] = w > most[lane] ? w : most[lane];
            odd[lane] += !(fabsf(w) < INFINITY);
        }
    }
    for (; at < count; at++) {
        least[0] = weight[at] < least[0] ? weight[at] : least[0];
        most[0] = weight[at] > most[0] ? weight[at] : most[0];
        odd[0] += !(fabsf(weight[at]) < INFINITY);
    }
    struct range range = {.min = least[0], .max = most[0], .nonfinite = odd[0]};
    for (size_t lane = 1; lane < LANES; lane++) {
        range.min = fminf(range.min, least[lane]);
        range.max = fmaxf(range.max, most[lane]);
        range.nonfinite += odd[lane];
    }
    return range;
}

/* --- scale, zero and bias ---------------------------------------------------------------------------------------------------- */

/* What the codes are computed with: q = clamp(rne((w - shift) / divisor) + zero). */
struct divider {
    float divisor, shift;
    int32_t zero, code_max;
};

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
static bool mlx_params(const struct round_rule *rule, struct range range, struct round_params *params, struct divider *by,
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

/* Adding 1.5 * 2^23 rounds what is below 2^22 to an integer, ties to even, and vectorizes where rintf does not. The bound is far enough out:
 * no code and no zero passes 255. A NaN (0 / 0, in an MLX group whose scale is 0) becomes -1024, and code 0. */
static int32_t nearest(float value)
{
    const float magic = 0x1.8p23f, bound = 1024.0f;
    const float above = value > -bound ? value : -bound, within = above < bound ? above : bound;
    return (int32_t)((within + magic) - magic);
}

static uint64_t divide(const struct divider *by, const float *weight, size_t count, uint8_t *codes)
{
    uint32_t clamped = 0;
    const struct divider d = *by;
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

static void measure(const struct round_params *params, const float *weight, size_t count, const uint8_t *codes,
                    struct round_tally *tally)
{
    const double scale = (double)params->scale, beta = (double)params->beta;
    double most[LANES] = {0}, squares[LANES] = {0};
    for (size_t at = 0; at < count; at += LANES) {
        const size_t lanes = count - at < LANES ? count - at : LANES;
        for (size_t lane = 0; lane < lanes; lane++) {
            const double value = (double)(codes[at + lane] - params->zero) * scale + beta, error = (double)weight[at + lane] - value;
            most[lane] = fabs(error) > most[lane] ? fabs(error) : most[lane];
            squares[lane] += error * error;
        }
    }
    double sum = 0;
    for (size_t lane = 0; lane < LANES; lane++) {
        tally->max_error = fmax(tally->max_error, most[lane]);
        sum += squares[lane];
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

void round_group(const struct round_rule *rule, const float *weight, size_t count, struct round_params *params, uint8_t *codes,
                 struct round_tally *tally)
{
    const bool mlx = rule->grid == ROUND_MLX;
    const struct range range = range_of(weight, count);
    struct divider by = {.code_max = (INT32_C(1) << rule->bits) - 1};
    tally->groups++;
    tally->weights += count;
    tally->nonfinite += range.nonfinite;
    const bool good = range.nonfinite == 0 &&
                      (mlx ? mlx_params(rule, range, params, &by, tally) : integer_params(rule, range, params, tally));
    if (!good)
        *params = (struct round_params){.zero = mlx ? 0 : INT32_C(1) << (rule->bits - 1)};
    if (!good || (!mlx && params->scale == 0.0f)) {
        memset(codes, params->zero, count);
        return;
    }
    if (!mlx) {
        by.divisor = params->scale;
        by.zero = params->zero;
    }
    tally->clamped += divide(&by, weight, count, codes);
    measure(params, weight, count, codes, tally);
}
