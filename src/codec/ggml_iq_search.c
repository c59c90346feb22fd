#include "codec/ggml_iq_search.h"

#include "codec/ggml_search.h"

#include <float.h>
#include <math.h>

static int points_of(const struct ggml_iq_rule *rule)
{
    return rule->size / rule->digits;
}

/* The errors of each digit of a place, and the neighbour whose sum of them is least; -1 where none is a number. */
static inline int least_sum(float errors[8][8], const uint16_t *list, int digits)
{
    const int bits = digits == 8 ? 2 : 3;
    float least = FLT_MAX;
    int nearest = -1;
    for (int n = 1; n <= list[0]; n++) {
        float error = 0;
        for (int i = 0; i < digits; i++)
            error += errors[i][list[n] >> bits * i & ((1 << bits) - 1)];
        if (error < least)
            least = error, nearest = list[n];
    }
    return nearest;
}

static int nearest_neighbour(const struct ggml_iq_sub *sub, int first, const uint16_t *list, float scale)
{
    const float *x = sub->x + first, *roots = sub->roots + first;
    float errors[8][8];
    for (int i = 0; i < sub->rule->digits; i++)
        for (int digit = 0; digit < sub->rule->levels; digit++) {
            const float off = scale * (float)(2 * digit + 1) - x[i];
            errors[i][digit] = roots[i] * off * off;
        }
    return sub->rule->digits == 8 ? least_sum(errors, list, 8) : least_sum(errors, list, 4);
}

/* Point k of the sub-block at 1 / inverse: the one that rounding hits, or the best one around. False if there is none. */
static bool find_point(const struct ggml_iq_sub *sub, int k, float inverse, float scale, struct ggml_iq_choice *choice, const struct ggml_iq_tools *tools)
{
    const int digits = sub->rule->digits, bits = digits == 8 ? 2 : 3, first = digits * k;
    unsigned packed = 0;
    for (int i = 0; i < digits; i++)
        packed |= (unsigned)clamp(to_nearest(0.5f * (inverse * sub->x[first + i] - 1)), 0, sub->rule->levels - 1) << bits * i;
    int point = sub->grid->map[packed];
    choice->on_grid[k] = point >= 0;
    if (point < 0) {
        const int nearest = tools->nearest(sub, first, sub->grid->neighbours - 1 - point, scale);
        point = nearest < 0 ? -1 : sub->grid->map[nearest];
    }
    choice->points[k] = (uint16_t)point;
    return point >= 0;
}

struct sums {
    float qx, q2;
};

static struct sums choice_sums(const struct ggml_iq_sub *sub, const struct ggml_iq_choice *choice)
{
    struct sums sum = {0, 0};
    const int digits = sub->rule->digits;
    for (int k = 0, e = 0; k < points_of(sub->rule); k++) {
        const int8_t *odd = sub->grid->odd + choice->points[k] * digits;
        for (int i = 0; i < digits; i++, e++) {
            const float q = (float)odd[i];
            sum.qx += sub->weights[e] * sub->x[e] * q;
            sum.q2 += sub->weights[e] * q * q;
        }
    }
    return sum;
}

/* Signs and sizes. Where minuses must be even, the element that counts least takes the wrong sign. */
static void split_signs(struct ggml_iq_sub *sub, const float *x)
{
    for (int k = 0; k < sub->rule->size / 8; k++, x += 8) {
        float *sizes = sub->x + 8 * k;
        const float *weights = sub->weights + 8 * k;
        unsigned signs = 0;
        for (int i = 0; i < 8; i++) {
            sizes[i] = x[i] >= 0 ? x[i] : -x[i];
            signs |= x[i] >= 0 ? 0 : 1u << i;
        }
        if (sub->rule->even_signs && __builtin_parity(signs)) {
            int victim = 0;
            float least = weights[0] * x[0] * x[0];
            for (int i = 1; i < 8; i++) {
                const float counts = weights[i] * x[i] * x[i];
                if (counts < least)
                    least = counts, victim = i;
            }
            sizes[victim] = -sizes[victim];
            signs ^= 1u << victim;
        }
        sub->signs[k] = (uint8_t)signs;
    }
}

static void weigh(struct ggml_iq_sub *sub, const struct ggml_part *part, float mean_square, int at)
{
    for (int i = 0; i < sub->rule->size; i++) {
        const float x = part->x[at + i];
        if (part->weights != NULL)
            sub->weights[i] = part->weights[at + i] * sqrtf(mean_square + x * x);
        else if (sub->rule->plain == GGML_IQ_PLAIN_MIXED)
            sub->weights[i] = 0.25f * mean_square + x * x;
        else
            sub->weights[i] = x * x;
        sub->roots[i] = sqrtf(sub->weights[i]);
    }
}

static bool try_scales(const struct ggml_iq_sub *sub, float largest, float *scale, struct ggml_iq_choice *chosen)
{
    const struct ggml_iq_rule *rule = sub->rule;
    float best = 0;
    for (int t = -rule->tries; t <= rule->tries; t++) {
        const float inverse = ((float)(2 * rule->levels - 1) + (float)t * rule->step) / largest, candidate = 1 / inverse;
        struct ggml_iq_choice choice;
        for (int k = 0; k < points_of(rule); k++)
            if (!find_point(sub, k, inverse, candidate, &choice, &ggml_iq_search_plain))
                return false;
        const struct sums sum = choice_sums(sub, &choice);
        if (sum.q2 > 0 && sum.qx * sum.qx > best * sum.q2) {
            *scale = sum.qx / sum.q2;
            best = *scale * sum.qx;
            *chosen = choice;
        }
    }
    return true;
}

const struct ggml_iq_tools ggml_iq_search_plain = {try_scales, nearest_neighbour};

static bool refine(const struct ggml_iq_sub *sub, float *scale, struct ggml_iq_choice *chosen, const struct ggml_iq_tools *tools)
{
    const enum ggml_iq_again again = sub->rule->again;
    bool any_off = again == GGML_IQ_AGAIN_ALL;
    for (int k = 0; k < points_of(sub->rule); k++)
        any_off |= !chosen->on_grid[k];
    if (!any_off || !(*scale > 0))
        return true;
    const float inverse = 1 / *scale;
    for (int k = 0; k < points_of(sub->rule); k++)
        if (again != GGML_IQ_AGAIN_OFF || !chosen->on_grid[k])
            if (!find_point(sub, k, inverse, *scale, chosen, tools))
                return false;
    const struct sums sum = choice_sums(sub, chosen);
    if (sum.q2 > 0)
        *scale = sum.qx / sum.q2;
    return true;
}

/* The largest value that candidates start from, and the first scale; false for zeros. */
static bool start(const struct ggml_iq_sub *sub, float *largest, float *scale)
{
    const int size = sub->rule->size;
    float most = sub->x[0];
    for (int i = 1; i < size; i++)
        most = most > sub->x[i] ? most : sub->x[i];
    if (most < sub->rule->tiny)
        return false;
    *largest = most;
    *scale = most / (float)(2 * sub->rule->levels - 1);
    if (!sub->rule->from_codes)
        return true;
    uint8_t codes[32];
    *scale = ggml_search_positive(size, sub->rule->levels + 1, sub->x, sub->weights, codes);
    *largest = *scale * (float)sub->rule->levels;
    return !(*largest <= 0);
}

/* Point 0 of every grid has the digits 0, which a sub-block has where no candidate was taken. */
static bool search_sub(struct ggml_iq_sub *sub, float *scale, struct ggml_iq_choice *chosen, bool *tiny, const struct ggml_iq_tools *tools)
{
    float largest = 0;
    const bool off = sub->rule->again == GGML_IQ_AGAIN_ALL_IF_OFF;
    *chosen = (struct ggml_iq_choice){{0}, {!off, !off, !off, !off, !off, !off, !off, !off}};
    *tiny = !start(sub, &largest, scale);
    if (*tiny) {
        *scale = 0;
        memset(sub->signs, 0, sizeof sub->signs);
        return true;
    }
    if (!tools->try_scales(sub, largest, scale, chosen) || !refine(sub, scale, chosen, tools))
        return false;
    if (*scale < 0) {
        *scale = -*scale;
        for (int k = 0; k < 4; k++)
            sub->signs[k] = (uint8_t)~sub->signs[k];
    }
    return *scale >= 0;
}

bool ggml_iq_search_block(const struct ggml_iq_rule *rule, const struct ggml_part *part, const struct ggml_iq_tools *tools, struct ggml_iq_block *made)
{
    const int subs = GGML_SUPER / rule->size;
    float scales[16], largest = 0, mean_square = 0;
    for (int i = 0; i < GGML_SUPER; i++)
        mean_square += part->x[i] * part->x[i];
    mean_square = rule->squares * mean_square / 256.0f;
    struct ggml_iq_sub sub = {.rule = rule, .grid = part->grids->grid + rule->grid};
    for (int b = 0; b < subs; b++) {
        struct ggml_iq_choice choice;
        weigh(&sub, part, mean_square, rule->size * b);
        split_signs(&sub, part->x + rule->size * b);
        if (!search_sub(&sub, scales + b, &choice, made->tiny + b, tools))
            return false;
        memcpy(made->points + b * points_of(rule), choice.points, (size_t)points_of(rule) * sizeof *choice.points);
        memcpy(made->signs + b * rule->size / 8, sub.signs, rule->size / 8);
        largest = largest > scales[b] ? largest : scales[b];
    }
    made->zero = largest == 0;
    made->d = largest / 31;
    const float inverse = 1 / made->d;
    for (int b = 0; b < 16 && b < subs; b++)
        made->scales[b] = (uint8_t)(made->zero ? 0 : clamp(to_nearest(0.5f * (inverse * scales[b] - 1)), 0, 15));
    return true;
}
