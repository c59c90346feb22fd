/* Lines through points of LANES sub-blocks at once, for ggml_wide_affine.h: one candidate of ggml_search_affine. */
#ifndef REPAQ_GGML_WIDE_LINES_H
#define REPAQ_GGML_WIDE_LINES_H

#include "codec/ggml_wide.h"

#if defined(LANES)
struct wide_line {
    vec smallest, largest;
    truth flat;              /* lanes whose range is empty */
    vec w, x;                /* sums of weights, of weights * x */
    vec scale, least, error; /* the best so far */
    vec code_inverse, code_least;
};

/* Sums wait for each other, so that two groups of lanes side by side are quicker than one after the other. */
#define WIDE_LINES 2

struct wide_lines {
    struct wide_values values[WIDE_LINES];
    struct wide_line best[WIDE_LINES];
};

/* How lines are made; constants where it is called. */
struct wide_way {
    int groups, count;
    bool absolute;
    bool small; /* no product reaches 2^22, so that rounding is quick */
};

struct wide_try {
    vec inverse[WIDE_LINES], scale[WIDE_LINES], least[WIDE_LINES], error[WIDE_LINES];
    vec codes[32][WIDE_LINES];
};

WIDE static inline void make_codes(struct wide_way way, int most, const struct wide_lines *lines, struct wide_try *with)
{
    for (int i = 0; i < way.count; i++)
        for (int g = 0; g < way.groups; g++) {
            const vec value = with->inverse[g] * (lines->values[g].x[i] - lines->best[g].least);
            with->codes[i][g] = way.small ? quick_code(value, 0, most) : nearest_code(value, 0, most);
        }
}

WIDE static inline void line_errors(struct wide_way way, const struct wide_lines *lines, struct wide_try *with)
{
    vec error[WIDE_LINES];
    for (int g = 0; g < way.groups; g++)
        error[g] = splat(0);
    for (int i = 0; i < way.count; i++)
        for (int g = 0; g < way.groups; g++) {
            const vec off = with->scale[g] * with->codes[i][g] + with->least[g] - lines->values[g].x[i], square = off * off;
            error[g] = error[g] + lines->values[g].weights[i] * (way.absolute ? magnitude(off) : square);
        }
    for (int g = 0; g < way.groups; g++)
        with->error[g] = error[g];
}

WIDE static inline void first_lines(struct wide_way way, int most, struct wide_lines *lines, struct wide_try *with)
{
    make_codes(way, most, lines, with);
    for (int g = 0; g < way.groups; g++)
        with->scale[g] = lines->best[g].scale, with->least[g] = lines->best[g].least;
    line_errors(way, lines, with);
    for (int g = 0; g < way.groups; g++)
        lines->best[g].error = with->error[g];
}

WIDE static inline void next_lines(struct wide_way way, int most, struct wide_lines *lines, struct wide_try *with)
{
    const vec zero = splat(0);
    vec l[WIDE_LINES], l2[WIDE_LINES], xl[WIDE_LINES], determinant[WIDE_LINES];
    for (int g = 0; g < way.groups; g++)
        l[g] = l2[g] = xl[g] = zero;
    make_codes(way, most, lines, with);
    for (int i = 0; i < way.count; i++)
        for (int g = 0; g < way.groups; g++) {
            const vec code = with->codes[i][g], wl = lines->values[g].weights[i] * code;
            l[g] = l[g] + wl;
            l2[g] = l2[g] + wl * code;
            xl[g] = xl[g] + wl * lines->values[g].x[i];
        }
    for (int g = 0; g < way.groups; g++) {
        const struct wide_line *best = lines->best + g;
        determinant[g] = best->w * l2[g] - l[g] * l[g];
        const vec scale = (best->w * xl[g] - best->x * l[g]) / determinant[g], least = (l2[g] * best->x - l[g] * xl[g]) / determinant[g];
        const truth above = greater(least, zero);
        with->scale[g] = choose(above, xl[g] / l2[g], scale);
        with->least[g] = drop(above, least);
    }
    line_errors(way, lines, with);
    for (int g = 0; g < way.groups; g++) {
        struct wide_line *best = lines->best + g;
        const truth better = both(greater(determinant[g], zero), greater(best->error, with->error[g]));
        best->code_inverse = choose(better, with->inverse[g], best->code_inverse);
        best->code_least = choose(better, best->least, best->code_least);
        best->error = choose(better, with->error[g], best->error);
        best->scale = choose(better, with->scale[g], best->scale);
        best->least = choose(better, with->least[g], best->least);
    }
}
#endif

#endif
