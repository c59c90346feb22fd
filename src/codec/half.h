/* F16, BF16 and F32: conversion by round to nearest even, and a tally of what a cast changes. */
#ifndef REPAQ_HALF_H
#define REPAQ_HALF_H

#include "ir/dtype.h"

#include <stddef.h>
#include <stdint.h>

float half_from_f16(uint16_t bits);
float half_from_bf16(uint16_t bits);
uint16_t half_to_f16(float value);  /* RNE; overflow gives infinity; NaN stays a quiet NaN with its sign */
uint16_t half_to_bf16(float value); /* RNE; NaN stays a quiet NaN */

/* What casting values to a narrower dtype did to them. Sums over disjoint parts are associative (max and counts). */
struct cast_tally {
    uint64_t count;     /* values seen */
    uint64_t inexact;   /* finite values that changed, overflow and underflow among them */
    uint64_t overflow;  /* finite values that became infinite */
    uint64_t underflow; /* non-zero values that became zero */
    uint64_t nonfinite; /* NaN or infinite to begin with */
    double max_relative; /* largest |cast - value| / |value| of the inexact that neither over- nor underflowed */
};
void half_tally_add(struct cast_tally *sum, const struct cast_tally *part);

/* Widens count elements of a plain float dtype (F16, BF16, F32; unaligned) to F32. */
void half_load(enum dtype dtype, const void *source, size_t count, float *values);
/* Rounds count values to dtype (F16, BF16, F32; unaligned), and adds to *tally (may be NULL). */
void half_store(enum dtype dtype, const float *values, size_t count, void *target, struct cast_tally *tally);
/* The same without the processor's vectors: the reference that tests compare with. */
void half_load_reference(enum dtype dtype, const void *source, size_t count, float *values);
void half_store_reference(enum dtype dtype, const float *values, size_t count, void *target, struct cast_tally *tally);

#endif
