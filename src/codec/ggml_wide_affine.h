/* ggml_search_affine in LANES sub-blocks at once. */
#ifndef REPAQ_GGML_WIDE_AFFINE_H
#define REPAQ_GGML_WIDE_AFFINE_H

#include "codec/ggml_wide_lines.h"

#if defined(LANES)
/* Products lie between those of the ends. */
WIDE static inline bool all_within(int groups, const struct wide_lines *lines, const struct wide_try *with)
{
    vec most = splat(0);
    for (int g = 0; g < groups; g++) {
        const struct wide_line *line = lines->best + g;
        most = larger(most, magnitude(with->inverse[g] * (line->largest - line->least)));
        most = larger(most, magnitude(with->inverse[g] * (line->smallest - line->least)));
    }
    return all_small(most);
}

/* Products that are large, or no numbers: rare, and in no hurry. */
WIDE __attribute__((noinline)) static void careful_lines(int groups, const struct ggml_search_affine *how, bool first, struct wide_lines *lines,
                                                         struct wide_try *with)
{
    const struct wide_way way = {groups, how->count, how->absolute, false};
    if (first)
        first_lines(way, how->most, lines, with);
    else
        next_lines(way, how->most, lines, with);
}

WIDE static inline void find_lines(struct wide_way way, const struct ggml_search_affine *how, struct wide_lines *lines)
{
    struct wide_try with;
    for (int g = 0; g < way.groups; g++)
        with.inverse[g] = lines->best[g].code_inverse;
    if (all_within(way.groups, lines, &with))
        first_lines(way, how->most, lines, &with);
    else
        careful_lines(way.groups, how, true, lines, &with);
    for (int i = 0; i <= how->steps; i++) {
        for (int g = 0; g < way.groups; g++) {
            const struct wide_line *best = lines->best + g;
            with.inverse[g] = drop(best->flat, splat(how->first + how->step * (float)i + (float)how->most) / (best->largest - best->least));
        }
        if (all_within(way.groups, lines, &with))
            next_lines(way, how->most, lines, &with);
        else
            careful_lines(way.groups, how, false, lines, &with);
    }
}

WIDE static inline void start_line(int count, const struct wide_given *given, int most, struct wide_values *values, struct wide_line *best)
{
    wide_load(count, given, values);
    *best = (struct wide_line){.smallest = values->x[0], .largest = values->x[0], .w = values->weights[0], .x = values->wx[0]};
    for (int i = 1; i < count; i++) {
        best->smallest = smaller(values->x[i], best->smallest);
        best->largest = larger(values->x[i], best->largest);
        best->w = best->w + values->weights[i];
        best->x = best->x + values->wx[i];
    }
    best->least = drop(greater(best->smallest, splat(0)), best->smallest);
    best->flat = at_most(best->largest, best->least);
    best->code_inverse = drop(best->flat, splat((float)most) / (best->largest - best->least));
    best->code_least = best->least;
    best->scale = splat(1) / best->code_inverse;
}

WIDE static inline __attribute__((always_inline)) void search_lines(struct wide_way way, const struct wide_given *given,
                                                                    const struct ggml_search_affine *how, struct wide_found *found)
{
    struct wide_lines lines;
    vec first_least[WIDE_LINES];
    for (int g = 0; g < way.groups; g++) {
        start_line(way.count, given + g, how->most, lines.values + g, lines.best + g);
        first_least[g] = lines.best[g].least;
    }
    find_lines(way, how, &lines);
    for (int g = 0; g < way.groups; g++) {
        const struct wide_line *best = lines.best + g;
        store_vec(found[g].scale, drop(best->flat, best->scale));
        store_vec(found[g].offset, negative(choose(best->flat, first_least[g], best->least)));
        store_vec(found[g].inverse, best->code_inverse);
        found[g].zeros = bits_of(best->flat);
        store_vec(found[g].least, best->code_least);
        store_vec(found[g].sum, lines.values[g].sum);
    }
}

/* 1 group of LANES, or WIDE_LINES. */
WIDE static void wide_affine(int groups, const struct wide_given *given, const struct ggml_search_affine *how, struct wide_found *found)
{
    if (how->count == 32)
        groups == 1 ? search_lines((struct wide_way){1, 32, false, true}, given, how, found)
                    : search_lines((struct wide_way){WIDE_LINES, 32, false, true}, given, how, found);
    else if (how->absolute)
        groups == 1 ? search_lines((struct wide_way){1, 16, true, true}, given, how, found)
                    : search_lines((struct wide_way){WIDE_LINES, 16, true, true}, given, how, found);
    else
        groups == 1 ? search_lines((struct wide_way){1, 16, false, true}, given, how, found)
                    : search_lines((struct wide_way){WIDE_LINES, 16, false, true}, given, how, found);
}
#endif

#endif
