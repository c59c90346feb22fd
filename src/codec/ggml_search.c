#include "codec/ggml_search.h"

#include "codec/ggml_kernels.h"

#include <math.h>

/* --- around a centre -------------------------------------------------------------------------------------------------------- */

static int centred_code(float x, float iscale, int half)
{
    return clamp(to_nearest(iscale * x), -half, half - 1);
}

static void centred_codes(int count, int half, const float *x, float iscale, uint8_t *codes)
{
    for (int i = 0; i < count; i++)
        codes[i] = (uint8_t)(centred_code(x[i], iscale, half) + half);
}

/* Weighted sums of x * code and code * code. */
struct sums {
    float lx, l2;
};

static struct sums centred_sums(int count, int half, const float *x, const float *weights, float iscale)
{
    struct sums sum = {0, 0};
    for (int i = 0; i < count; i++) {
        const float code = (float)centred_code(x[i], iscale, half);
        sum.lx += weights[i] * x[i] * code;
        sum.l2 += weights[i] * code * code;
    }
    return sum;
}

float ggml_search_centred(int count, int half, const float *x, const float *weights, uint8_t *codes)
{
    const float top = extreme(x, (size_t)count);
    if (fabsf(top) < GGML_SEARCH_TINY) {
        memset(codes, 0, (size_t)count);
        return 0;
    }
    float chosen = (float)-half / top;
    struct sums sum = centred_sums(count, half, x, weights, chosen);
    float scale = sum.l2 != 0 ? sum.lx / sum.l2 : 0, best = scale * sum.lx;
    for (int i = -9; i <= 9; i++) {
        if (i == 0)
            continue;
        const float iscale = -((float)half + 0.1f * (float)i) / top;
        sum = centred_sums(count, half, x, weights, iscale);
        if (sum.l2 > 0 && sum.lx * sum.lx > best * sum.l2) {
            chosen = iscale;
            scale = sum.lx / sum.l2;
            best = scale * sum.lx;
        }
    }
    centred_codes(count, half, x, chosen, codes);
    return scale;
}

/* One element of ggml_search_three gets another code if that helps. */
static bool three_step(float x, int8_t *code, struct sums *sum)
{
    const float w = x * x, old = (float)*code;
    struct sums without = {sum->lx - w * x * old, 0};
    if (!(without.lx > 0))
        return false;
    without.l2 = sum->l2 - w * old * old;
    const int other = clamp(to_nearest(x * without.l2 / without.lx), -4, 3);
    if (other == *code)
        return false;
    without.lx += w * x * (float)other;
    without.l2 += w * (float)other * (float)other;
    if (!(without.l2 > 0 && without.lx * without.lx * sum->l2 > sum->lx * sum->lx * without.l2))
        return false;
    *code = (int8_t)other;
    *sum = without;
    return true;
}

float ggml_search_three(const float *x, uint8_t *codes)
{
    enum { COUNT = 16, HALF = 4 };
    const float top = extreme(x, COUNT);
    if (fabsf(top) < GGML_SEARCH_TINY) {
        memset(codes, 0, COUNT);
        return 0;
    }
    const float iscale = (float)-HALF / top;
    int8_t code[COUNT];
    struct sums sum = {0, 0};
    for (int i = 0; i < COUNT; i++) {
        code[i] = (int8_t)centred_code(x[i], iscale, HALF);
        const float w = x[i] * x[i], l = (float)code[i];
        sum.lx += w * x[i] * l;
        sum.l2 += w * l * l;
    }
    for (int pass = 0, changed = 1; pass < 5 && changed > 0; pass++) {
        changed = 0;
        for (int i = 0; i < COUNT; i++)
            changed += three_step(x[i], code + i, &sum);
    }
    for (int i = 0; i < COUNT; i++)
        codes[i] = (uint8_t)(code[i] + HALF);
    return sum.l2 > 0 ? sum.lx / sum.l2 : 0;
}

/* --- scale and offset ------------------------------------------------------------------------------------------------------- */

static void affine_codes(const struct ggml_search_affine *how, const float *x, float iscale, float least, uint8_t *codes)
{
    for (int i = 0; i < how->count; i++)
        codes[i] = (uint8_t)clamp(to_nearest(iscale * (x[i] - least)), 0, how->most);
}

struct line {
    float scale, least;
};

static float affine_error(const struct ggml_search_affine *how, const float *x, const float *weights, const uint8_t *codes, struct line line)
{
    float error = 0;
    for (int i = 0; i < how->count; i++) {
        const float off = line.scale * (float)codes[i] + line.least - x[i];
        error += weights[i] * (how->absolute ? fabsf(off) : off * off);
    }
    return error;
}

struct moments {
    float w, x; /* sums of weights, of weights * x */
};

/* The line through the points (code, x) by least squares, least not above 0; false where they have none. */
static bool affine_fit(int count, const float *x, const float *weights, const uint8_t *codes, struct moments of, struct line *line)
{
    float l = 0, l2 = 0, xl = 0;
    for (int i = 0; i < count; i++) {
        const float code = (float)codes[i], wl = weights[i] * code;
        l += wl;
        l2 += wl * code;
        xl += wl * x[i];
    }
    const float determinant = of.w * l2 - l * l;
    if (!(determinant > 0))
        return false;
    line->scale = (of.w * xl - of.x * l) / determinant;
    line->least = (l2 * of.x - l * xl) / determinant;
    if (line->least > 0)
        line->least = 0, line->scale = xl / l2;
    return true;
}

float ggml_search_affine(const struct ggml_search_affine *how, const float *x, const float *weights, uint8_t *codes, float *offset)
{
    float least = x[0], largest = x[0];
    struct moments of = {weights[0], weights[0] * x[0]};
    for (int i = 1; i < how->count; i++) {
        least = x[i] < least ? x[i] : least;
        largest = x[i] > largest ? x[i] : largest;
        of.w += weights[i];
        of.x += weights[i] * x[i];
    }
    if (least > 0)
        least = 0;
    *offset = -least;
    if (largest <= least) {
        memset(codes, 0, (size_t)how->count);
        return 0;
    }
    const float iscale = (float)how->most / (largest - least);
    struct line best = {1 / iscale, least};
    affine_codes(how, x, iscale, least, codes);
    float best_error = affine_error(how, x, weights, codes, best);
    for (int i = 0; i <= how->steps; i++) {
        /* what was accepted moves the ends of the range for the candidates after it */
        const float wider = (how->first + how->step * (float)i + (float)how->most) / (largest - best.least);
        uint8_t others[32];
        struct line line;
        affine_codes(how, x, wider, best.least, others);
        if (!affine_fit(how->count, x, weights, others, of, &line))
            continue;
        const float error = affine_error(how, x, weights, others, line);
        if (error < best_error) {
            memcpy(codes, others, (size_t)how->count);
            best_error = error;
            best = line;
        }
    }
    *offset = -best.least;
    return best.scale;
}

/* --- scale alone ------------------------------------------------------------------------------------------------------------ */

static int positive_code(float x, float iscale, int most)
{
    const int code = to_nearest(iscale * x);
    return code < most ? code : most;
}

/* The scale whose codes err least; the first candidate's codes are bytes, so that those of negative x err by a lot. */
static float positive_scale(int count, int most, const float *x, const float *weights, float largest)
{
    float chosen = (float)most / largest;
    const float scale = 1 / chosen;
    float best = 0;
    for (int i = 0; i < count; i++) {
        const float off = x[i] - scale * (float)(uint8_t)to_nearest(chosen * x[i]);
        best += weights[i] * off * off;
    }
    for (int k = -4; k <= 4; k++) {
        if (k == 0)
            continue;
        const float iscale = (0.1f * (float)k + (float)most) / largest, step = 1 / iscale;
        float error = 0;
        for (int i = 0; i < count; i++) {
            const float off = x[i] - step * (float)positive_code(x[i], iscale, most);
            error += weights[i] * off * off;
        }
        if (error < best)
            best = error, chosen = iscale;
    }
    return chosen;
}

static bool positive_step(float x, float w, int most, uint8_t *code, struct sums *sum)
{
    const float old = (float)*code;
    struct sums without = {sum->lx - w * x * old, sum->l2 - w * old * old};
    if (!(without.lx > 0 && without.l2 > 0))
        return false;
    const int nearest = to_nearest(x * without.l2 / without.lx), other = nearest < most ? nearest : most;
    if (other == *code)
        return false;
    without.lx += w * x * (float)other;
    without.l2 += w * (float)other * (float)other;
    if (!(without.lx * without.lx * sum->l2 > sum->lx * sum->lx * without.l2))
        return false;
    *code = (uint8_t)other;
    *sum = without;
    return true;
}

float ggml_search_positive(int count, int most, const float *x, const float *weights, uint8_t *codes)
{
    float largest = 0;
    for (int i = 0; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    if (largest < GGML_SEARCH_TINY) {
        memset(codes, 0, (size_t)count);
        return 0;
    }
    const float iscale = positive_scale(count, most, x, weights, largest);
    struct sums sum = {0, 0};
    for (int i = 0; i < count; i++) {
        const int code = positive_code(x[i], iscale, most);
        codes[i] = (uint8_t)code;
        sum.lx += weights[i] * x[i] * (float)code;
        sum.l2 += weights[i] * (float)code * (float)code;
    }
    for (int pass = 0, changed = 1; pass < 5 && changed > 0; pass++) {
        changed = 0;
        for (int i = 0; i < count; i++)
            changed += positive_step(x[i], weights[i], most, codes + i, &sum);
    }
    return sum.l2 > 0 ? sum.lx / sum.l2 : 0;
}
