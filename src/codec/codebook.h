/* bitsandbytes: 4-bit codes of a table of 16 values, blocks scaled by their absmax, and int8 rows.
 *
 *     byte i of X.weight:   7  6  5  4 | 3  2  1  0        blocks of 32..4096 elements over the flattened [N*K] tensor,
 *                          element 2i  | element 2i+1      whatever the rows; the last one may be short
 *
 * Read in bitsandbytes-foundation/bitsandbytes:bitsandbytes/backends/default/ops.py (_dequantize_4bit_compute) and bitsandbytes/_ops.py
 * (int8_vectorwise_dequant). Every operation is F32 and rounded; rounding to the dtype of the result is the caller's, and comes last. */
#ifndef REPAQ_CODEBOOK_H
#define REPAQ_CODEBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The tables that bitsandbytes has built in and uses whatever a file's quant_map says (get_4bit_type of bitsandbytes/functional.py). */
extern const float codebook_nf4[16], codebook_fp4[16];

/* True if each of the 16 values is NF4's, or each is FP4's; -0 and 0 are one. */
bool codebook_is_known(const float table[16]);

struct codebook {
    const float *table;  /* [16] */
    const float *absmax; /* one a block, from the block of the first element on */
    size_t block;        /* elements that share an absmax, > 0 */
};
/* Elements first .. first + count of the flattened tensor: values[i] = table[code] * absmax[block]. nibbles: from the byte that holds
 * element `first` on. */
void codebook_load(const struct codebook *book, const uint8_t *nibbles, uint64_t first, size_t count, float *values);

/* Double quantization: the absmax of blocks as codes of a table of 256. */
struct codebook_nested {
    const float *table;  /* [256]: nested_quant_map */
    const float *absmax; /* nested_absmax: one a nested block, from the one of the first code on */
    size_t block;        /* codes that share one: 256 in all files known, > 0 */
    float offset;        /* nested_offset */
};
/* The absmax of blocks first .. first + count: table[code] * absmax[nested block], rounded, + offset. codes: from code `first` on. */
void codebook_load_absmax(const struct codebook_nested *nested, const uint8_t *codes, uint64_t first, size_t count, float *absmax);

/* One row of LLM.int8(): (code * scb), rounded, * 1/127 as F32. That is neither code * (scb / 127) nor code * scb / 127. */
void codebook_load_int8(const int8_t *codes, float scb, size_t count, float *values);

#endif
