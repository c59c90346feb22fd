/* Overflow-checked arithmetic on sizes that come from input. Each returns false on overflow. */
#ifndef REPAQ_CHECKED_H
#define REPAQ_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *sum) { return !__builtin_add_overflow(a, b, sum); }
static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *product) { return !__builtin_mul_overflow(a, b, product); }

/* a / b rounded up; b > 0. */
static inline uint64_t checked_div_up(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

#endif
