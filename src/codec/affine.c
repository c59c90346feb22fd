#include "codec/affine.h"

#include <math.h>
#include <stdbool.h>

/* The loops are plain, and compiled twice: for every processor, and for those with AVX2. AVX2 has no fused multiply-add, so that both round alike. */
#define INLINED static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))
#endif

INLINED void make_values(const struct affine *by, const uint8_t *code, size_t count, float *value)
{
    const float scale = by->scale, zero = by->zero, beta = by->beta, middle = by->middle;
    if (scale == 0.0f && zero == zero) {
        for (size_t i = 0; i < count; i++)
            value[i] = 0.0f;
    } else if (zero == zero) {
        for (size_t i = 0; i < count; i++)
            value[i] = (((float)code[i] - middle) - zero) * scale;
    } else {
        for (size_t i = 0; i < count; i++)
            value[i] = scale * (float)code[i] + beta;
    }
}

void affine_lose(double exact, float value, struct affine_loss *loss)
{
    if (exact == (double)value || !isfinite(exact) || exact == 0.0)
        return;
    loss->inexact++;
    loss->max_relative = fmax(loss->max_relative, fabs((double)value - exact) / fabs(exact));
}

void affine_losses_reference(const struct affine *by, const uint8_t *code, size_t count, const float *value, struct affine_loss *loss)
{
    for (size_t i = 0; by->zero == by->zero && i < count; i++)
        affine_lose(((double)code[i] - (double)by->middle - (double)by->zero) * (double)by->scale, value[i], loss);
}

/* Counts the values that affine_lose counts, and says whether one may lose more than `loss` has: divisions are slow, and most do not. */
INLINED bool count_losses(const struct affine *by, const uint8_t *code, size_t count, const float *value, struct affine_loss *loss)
{
    const double scale = (double)by->scale, zero = (double)by->zero, middle = (double)by->middle, infinity = (double)INFINITY;
    const double bound = loss->max_relative * (1 - 0x1p-50);
    uint64_t inexact = 0, large = 0;
    for (size_t i = 0; i < count; i++) {
        const double exact = ((double)code[i] - middle - zero) * scale, size = fabs(exact), error = fabs((double)value[i] - exact);
        const uint64_t changed = (uint64_t)(error > 0) & (uint64_t)(size > 0) & (uint64_t)(size < infinity);
        inexact += changed;
        large |= changed & (uint64_t)(error > bound * size);
    }
    loss->inexact += inexact;
    return large != 0;
}

#if defined(__x86_64__)
AVX2 static void make_values_avx2(const struct affine *by, const uint8_t *code, size_t count, float *value)
{
    make_values(by, code, count, value);
}

AVX2 static bool count_losses_avx2(const struct affine *by, const uint8_t *code, size_t count, const float *value, struct affine_loss *loss)
{
    return count_losses(by, code, count, value, loss);
}
#endif

void affine_values_reference(const struct affine *by, const uint8_t *code, size_t count, float *value)
{
    make_values(by, code, count, value);
}

void affine_values(const struct affine *by, const uint8_t *code, size_t count, float *value)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        make_values_avx2(by, code, count, value);
        return;
    }
#endif
    make_values(by, code, count, value);
}

void affine_losses(const struct affine *by, const uint8_t *code, size_t count, const float *value, struct affine_loss *loss)
{
    bool large;
    if (by->zero != by->zero)
        return;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        large = count_losses_avx2(by, code, count, value, loss);
    else
#endif
        large = count_losses(by, code, count, value, loss);
    struct affine_loss again = {0, loss->max_relative};
    if (large)
        affine_losses_reference(by, code, count, value, &again);
    loss->max_relative = again.max_relative;
}
