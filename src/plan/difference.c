#include "plan/difference.h"

#include "codec/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void describe(struct pair *pair, const struct spot *spot)
{
    (void)snprintf(pair->first, sizeof pair->first, "%s of row %llu, column %llu: %.9g and %.9g", spot->what, (unsigned long long)spot->out,
                   (unsigned long long)spot->in, spot->a, spot->b);
}

void difference_note(struct pair *pair, uint64_t *count, const struct spot *spot)
{
    (*count)++;
    if (pair->verdict != VERDICT_DIFFERS)
        describe(pair, spot);
    pair->verdict = VERDICT_DIFFERS;
}

void difference_of_shape(struct pair *pair, const char *what)
{
    pair->verdict = VERDICT_DIFFERS;
    pair->values++;
    (void)snprintf(pair->first, sizeof pair->first, "%s", what);
}

void difference_rounded(struct pair *pair, const struct spot *spot, bool a_is_wider)
{
    const double wide = a_is_wider ? spot->a : spot->b, narrow = a_is_wider ? spot->b : spot->a;
    const double relative = wide == 0.0 ? 0.0 : fabs(narrow - wide) / fabs(wide);
    pair->rounded++;
    if (pair->verdict == VERDICT_EQUAL) {
        describe(pair, spot);
        pair->verdict = VERDICT_ROUNDED;
    }
    if (relative > pair->max_relative)
        pair->max_relative = relative;
}

uint32_t difference_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

bool difference_rounds_to(float a, enum dtype dtype_a, float b, enum dtype dtype_b)
{
    const unsigned wide_a = dtype_bits(dtype_a), wide_b = dtype_bits(dtype_b);
    const float wide = wide_a >= wide_b ? a : b, narrow = wide_a >= wide_b ? b : a;
    const enum dtype to = wide_a >= wide_b ? dtype_b : dtype_a;
    uint8_t cast[4];
    float back;
    half_store(to, &wide, 1, cast, NULL);
    half_load(to, cast, 1, &back);
    return difference_bits(back) == difference_bits(narrow) && isfinite(back);
}

void difference_of_cast(struct pair *pair, const struct spot *place, float exact, enum dtype dtype, float stored)
{
    uint8_t cast[4];
    float rounded;
    half_store(dtype, &exact, 1, cast, NULL);
    half_load(dtype, cast, 1, &rounded);
    const struct spot spot = {place->what, place->out, place->in, (double)exact, (double)stored};
    if (difference_bits(rounded) != difference_bits(stored) && !(rounded == 0.0f && stored == 0.0f))
        difference_note(pair, &pair->values, &spot);
    else if (difference_bits(exact) != difference_bits(stored) && exact != stored)
        difference_rounded(pair, &spot, true);
}

void difference_widen(struct spread *spread, float a, float b)
{
    const double difference = fabs((double)a - (double)b);
    spread->largest = fmax(spread->largest, isfinite(a) ? fabs((double)a) : 0);
    if (difference_bits(a) != difference_bits(b))
        spread->difference = isfinite(difference) ? fmax(spread->difference, difference) : (double)INFINITY;
}

void difference_tolerate(struct pair *pair, double tolerance, const struct spread *spread)
{
    if (tolerance < 0 || pair->verdict != VERDICT_DIFFERS)
        return;
    if (isinf(spread->difference) || spread->difference > tolerance * spread->largest)
        return;
    pair->verdict = VERDICT_ROUNDED;
    pair->max_relative = spread->largest > 0 ? spread->difference / spread->largest : 0;
    pair->codes = pair->zeros = pair->scales = pair->values = 0;
    pair->first[0] = '\0';
}
