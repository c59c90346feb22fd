#include "codec/ggml_field.h"

#include "base/le.h"

void ggml_field_pairs(const uint8_t halves[16], uint8_t pairs[16])
{
    for (unsigned j = 0; j < 8; j++) {
        const uint8_t even = halves[2 * j], odd = halves[2 * j + 1];
        pairs[j] = (uint8_t)((even & 15) | (odd & 15) << 4);
        pairs[j + 8] = (uint8_t)(even >> 4 | (odd & 0xf0));
    }
}

void ggml_field_halves(const uint8_t pairs[16], uint8_t halves[16])
{
    for (unsigned j = 0; j < 8; j++) {
        const uint8_t low = pairs[j], high = pairs[j + 8];
        halves[2 * j] = (uint8_t)((low & 15) | (high & 15) << 4);
        halves[2 * j + 1] = (uint8_t)(low >> 4 | (high & 0xf0));
    }
}

void ggml_field_five(const uint8_t field[20], uint8_t codes[GGML_FIELD_CODES])
{
    const uint32_t fifth = le_load32(field);
    for (unsigned j = 0; j < 16; j++) {
        codes[2 * j] = (uint8_t)((field[4 + j] & 15) | (fifth >> j & 1) << 4);
        codes[2 * j + 1] = (uint8_t)(field[4 + j] >> 4 | (fifth >> (j + 16) & 1) << 4);
    }
}

bool ggml_field_zero(const uint8_t codes[GGML_FIELD_CODES], uint8_t *zero)
{
    int least = codes[0], most = codes[0];
    for (unsigned k = 1; k < GGML_FIELD_CODES; k++) {
        least = codes[k] < least ? codes[k] : least;
        most = codes[k] > most ? codes[k] : most;
    }
    /* narrow = code - (16 - zero) is in 0..15 for every zero in 16 - least..31 - most */
    *zero = (uint8_t)(most - least > 15 ? 8 : 16 - least > 8 ? 16 - least : 31 - most < 8 ? 31 - most : 8);
    return most - least <= 15;
}

void ggml_field_narrow(uint8_t codes[GGML_FIELD_CODES])
{
    uint8_t zero;
    (void)ggml_field_zero(codes, &zero);
    for (unsigned k = 0; k < GGML_FIELD_CODES; k++) {
        const int code = codes[k] - 16 + zero;
        codes[k] = (uint8_t)(code < 0 ? 0 : code > 15 ? 15 : code);
    }
}
