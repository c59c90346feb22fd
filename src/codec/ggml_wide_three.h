/* ggml_search_three in LANES sub-blocks at once. */
#ifndef REPAQ_GGML_WIDE_THREE_H
#define REPAQ_GGML_WIDE_THREE_H

#include "codec/ggml_wide.h"

#if defined(LANES)
struct wide_three {
    vec x[16], wx[16], code[16]; /* wx: x * x * x; codes are -4..3 */
    struct wide_sums sum;
    truth tiny;
};

WIDE static inline void start_three(const float *from, struct wide_three *three)
{
    load(from, 16, 16, three->x);
    const vec zero = splat(0), top = extremes(three->x, 16);
    three->tiny = greater(splat(GGML_SEARCH_TINY), magnitude(top));
    three->sum = (struct wide_sums){zero, zero};
    const vec inverse = splat(-4) / top;
    for (int i = 0; i < 16; i++) {
        const vec w = three->x[i] * three->x[i];
        three->code[i] = nearest_code(inverse * three->x[i], -4, 3);
        three->wx[i] = w * three->x[i];
        three->sum.lx = three->sum.lx + three->wx[i] * three->code[i];
        three->sum.l2 = three->sum.l2 + w * three->code[i] * three->code[i];
    }
}

/* One element of each lane; true where a code changed. Mostly none does, and the branch lets the next step begin before the division of this one ends. */
WIDE static inline unsigned three_step(struct wide_three *three, int i)
{
    const struct wide_sums sum = three->sum;
    const vec zero = splat(0), x = three->x[i], w = x * x, wx = three->wx[i], code = three->code[i];
    vec lx = sum.lx - wx * code, l2 = sum.l2 - w * code * code;
    const truth open = greater(lx, zero);
    const vec other = nearest_code(x * l2 / lx, -4, 3);
    const truth another = both(open, differs(other, code));
    if (bits_of(another) == 0)
        return 0;
    lx = lx + wx * other;
    l2 = l2 + w * other * other;
    const truth helps = greater(lx * lx * sum.l2, sum.lx * sum.lx * l2);
    const truth taken = both(another, both(greater(l2, zero), helps));
    three->code[i] = choose(taken, other, code);
    three->sum.lx = choose(taken, lx, sum.lx);
    three->sum.l2 = choose(taken, l2, sum.l2);
    return bits_of(taken);
}

WIDE static inline void end_three(const struct wide_three *three, float *scales, uint8_t *codes)
{
    const vec scale = keep(greater(three->sum.l2, splat(0)), three->sum.lx / three->sum.l2);
    store_vec(scales, drop(three->tiny, scale));
    for (int i = 0; i < 16; i += 4) { /* four codes of each lane as the bytes of a word */
        ivec word = whole(drop(three->tiny, three->code[i] + splat(4)));
        for (int k = 1; k < 4; k++)
            word |= whole(drop(three->tiny, three->code[i + k] + splat(4))) << 8 * k;
        uint32_t words[LANES];
        memcpy(words, &word, sizeof words);
        for (int j = 0; j < LANES; j++)
            le_store32(codes + 16 * j + i, words[j]);
    }
}

/* A lane without change stays as it is, however often it is looked at. */
WIDE static inline void wide_three(const float *x, float *scales, uint8_t *codes)
{
    struct wide_three three;
    start_three(x, &three);
    unsigned changed = 1;
    for (int pass = 0; pass < 5 && changed != 0; pass++) {
        changed = 0;
        for (int i = 0; i < 16; i++)
            changed |= three_step(&three, i);
    }
    end_three(&three, scales, codes);
}
#endif

#endif
