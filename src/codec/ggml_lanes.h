/* Vectors of floats for faster kernels of ggml's types, a sub-block in each lane. The searches (ggml_wide*.h) are written once, over these: a source that
 * defines GGML_LANES_AVX512 before this header gets sixteen lanes, others the eight of AVX2 or the four of NEON. Without LANES there are none of them.
 *
 * vec: LANES floats, with + - * / of the compiler; ivec: as many int32_t; truth: yes or no in each lane. What the three kinds define:
 *
 *     splat(value)                       larger(a, b), smaller(a, b): b where they are equal, or one is NaN
 *     magnitude(v), root(v)              greater(a, b), at_most(a, b), differs(a, b): masks; NaN is neither greater nor at most, and differs
 *     both(m, n), any(m), bits_of(m)     choose(m, yes, no), keep(m, v), drop(m, v): 0 elsewhere
 *     load_vec(x), store_vec(x, v)       load(x, stride, count, out): out[i] has in lane j x[j * stride + i]; count is a multiple of 8
 *     nearest(v)                         to_nearest, as ivec
 *     whole(v)                           of a vec that is whole
 *     nearest_code(v, least, most)       to_nearest within bounds, as vec
 *     store_16(v, least, most, to)       16 bytes: to_nearest of 16 / LANES vectors within bounds, less `least` */
#ifndef REPAQ_GGML_LANES_H
#define REPAQ_GGML_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(GGML_LANES_AVX512)
#include "codec/ggml_lanes_avx512.h"
#elif defined(__x86_64__)
#include "codec/ggml_lanes_avx2.h"
#elif defined(__aarch64__)
#include "codec/ggml_lanes_neon.h"
#endif

#if defined(LANES)
#define SHIFT 0x1.8p23f /* added, it leaves no fraction */

WIDE static inline vec negative(vec v)
{
    return v * splat(-1);
}

/* nearest_code of values below 2^22 in size. */
WIDE static inline vec quick_code(vec v, int least, int most)
{
    return smaller(larger((v + splat(SHIFT)) - splat(SHIFT), splat((float)least)), splat((float)most));
}

/* Whether that holds for all lanes. */
WIDE static inline bool all_small(vec v)
{
    return bits_of(greater(splat(0x1p22f), magnitude(v))) == (1u << LANES) - 1;
}

/* The value whose size is largest, the first of them; what `extreme` gives. */
WIDE static inline vec extremes(const vec *x, int count)
{
    vec most = splat(0), value = most;
    for (int i = 0; i < count; i++) {
        const vec size = magnitude(x[i]);
        const truth larger_one = greater(size, most);
        most = choose(larger_one, size, most);
        value = choose(larger_one, x[i], value);
    }
    return value;
}
#endif

#endif
