/* Codes of ggml's blocks one by one: the nibbles of a block of 32 are those of columns j and j + 16 (ggml-org/ggml:src/ggml-quants.c). */
#ifndef REPAQ_GGML_FIELD_H
#define REPAQ_GGML_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#define GGML_FIELD_CODES 32 /* of a block */

/* Nibbles of columns j and j + 16 in byte j, into those of columns 2j (low) and 2j + 1; not in place. */
void ggml_field_pairs(const uint8_t halves[16], uint8_t pairs[16]);
/* The inverse. */
void ggml_field_halves(const uint8_t pairs[16], uint8_t halves[16]);
/* Q5_0's and Q5_1's codes, a byte each, columns j and j + 16 side by side: bit j of a word of 4 bytes is the fifth of column j, 16 bytes of halves follow. */
void ggml_field_five(const uint8_t field[20], uint8_t codes[GGML_FIELD_CODES]);
/* Whether 5-bit codes counted from 16 are 4-bit codes counted from *zero (0..16): code - 16 = narrow - *zero. Of the zeros for which they are, the one
 * nearest to 8; where there is none, 8. */
bool ggml_field_zero(const uint8_t codes[GGML_FIELD_CODES], uint8_t *zero);
/* The 4-bit codes for that zero, in place; those beyond 0..15, which only a group of zeros has, become 0 or 15. */
void ggml_field_narrow(uint8_t codes[GGML_FIELD_CODES]);

#endif
