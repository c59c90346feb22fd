/* Values of integer codes that share a scale: (code - middle - zero) * scale, or scale * code + beta. */
#ifndef REPAQ_AFFINE_H
#define REPAQ_AFFINE_H

#include <stddef.h>
#include <stdint.h>

/* One group of one row. */
struct affine {
    float scale;
    float zero;   /* of code - middle; NaN: beta says it instead */
    float beta;
    float middle; /* 2^(bits-1) where zeros are those of signed codes, and may have fractions; else 0 */
};
/* What F32 itself rounds: products of scales of 24 bits. */
struct affine_loss {
    uint64_t inexact;    /* values that are not the exact product */
    double max_relative; /* of those */
};

/* count values, each operation rounded to F32 alone. A dead group (scale 0) whose zero is a number gives +0. */
void affine_values(const struct affine *by, const uint8_t *code, size_t count, float *value);
/* Adds what F32 made of the products to *loss. What it makes of a scale and a beta is what they stand for: no loss. */
void affine_losses(const struct affine *by, const uint8_t *code, size_t count, const float *value, struct affine_loss *loss);
/* The same for one value, of any exact product. */
void affine_lose(double exact, float value, struct affine_loss *loss);

/* The first two without the processor's vectors: the reference that tests compare with. */
void affine_values_reference(const struct affine *by, const uint8_t *code, size_t count, float *value);
void affine_losses_reference(const struct affine *by, const uint8_t *code, size_t count, const float *value, struct affine_loss *loss);

#endif
