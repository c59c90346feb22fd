#include "codec/rope.h"

#include "codec/half.h"

#include <math.h>

#define TOLERANCE 0x1p-7 /* BF16 rounds to 2^-9 */

size_t rope_first_other(enum dtype dtype, const void *stored, size_t pairs, double theta, double *found, double *expected)
{
    float value[ROPE_PAIRS_MAX];
    half_load(dtype, stored, pairs, value);
    for (size_t i = 0; i < pairs && (i < 2 || i <= pairs / 4); i++) {
        *found = (double)value[i];
        *expected = pow(theta, -(double)i / (double)pairs);
        if (!(fabs(*found - *expected) <= TOLERANCE * *expected))
            return i;
    }
    return pairs;
}
