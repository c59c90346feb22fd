#include "codec/codebook.h"

const float codebook_nf4[16] = {
    -1.0f,           -0x1.647362p-1f, -0x1.0cd660p-1f, -0x1.946540p-2f, -0x1.23449ap-2f, -0x1.7a6a7ep-3f, -0x1.74f0e2p-4f, 0.0f,
    0x1.45f5fep-4f,  0x1.4995c6p-3f,  0x1.f809bap-3f,  0x1.5a0674p-2f,  0x1.c34970p-2f,  0x1.200f56p-1f,  0x1.722766p-1f,  1.0f,
};

/* Twelfths, sorted by nothing: 0 1/192 2/3 1 1/3 1/2 1/6 1/4. Code 8 is +0. */
const float codebook_fp4[16] = {
    0.0f, 0x1.555556p-8f,  0x1.555556p-1f,  1.0f,  0x1.555556p-2f,  0.5f,  0x1.555556p-3f,  0.25f,
    0.0f, -0x1.555556p-8f, -0x1.555556p-1f, -1.0f, -0x1.555556p-2f, -0.5f, -0x1.555556p-3f, -0.25f,
};

/* Codes of one block, whose values are in table; odd if the first one is a low nibble. */
static void load_block(const float table[16], const uint8_t *nibbles, size_t odd, size_t count, float *values)
{
    if (odd != 0 && count > 0) {
        *values++ = table[*nibbles++ & 15];
        count--;
    }
    for (size_t i = 0; i < count / 2; i++) {
        const unsigned pair = nibbles[i];
        values[2 * i] = table[pair >> 4];
        values[2 * i + 1] = table[pair & 15];
    }
    if (count % 2 != 0)
        values[count - 1] = table[nibbles[count / 2] >> 4];
}

void codebook_load(const struct codebook *book, const uint8_t *nibbles, uint64_t first, size_t count, float *values)
{
    const size_t odd = (size_t)(first % 2), skipped = (size_t)(first % book->block);
    size_t part;
    for (size_t at = 0, block = 0; at < count; at += part, block++) {
        const size_t room = book->block - (block == 0 ? skipped : 0);
        float scaled[16]; /* the same products as those of the elements, once for each code */
        part = count - at < room ? count - at : room;
        for (int code = 0; code < 16; code++)
            scaled[code] = book->table[code] * book->absmax[block];
        load_block(scaled, nibbles + (odd + at) / 2, (odd + at) % 2, part, values + at);
    }
}

void codebook_load_absmax(const struct codebook_nested *nested, const uint8_t *codes, uint64_t first, size_t count, float *absmax)
{
    size_t left = nested->block - (size_t)(first % nested->block);
    for (size_t i = 0, block = 0; i < count; i++) {
        if (left == 0) {
            left = nested->block;
            block++;
        }
        const float product = nested->table[codes[i]] * nested->absmax[block];
        absmax[i] = product + nested->offset;
        left--;
    }
}

void codebook_load_int8(const int8_t *codes, float scb, size_t count, float *values)
{
    const float reciprocal = 7.874015718698502e-3f; /* F32: 0x1.020408p-7 */
    for (size_t i = 0; i < count; i++) {
        const float product = (float)codes[i] * scb;
        values[i] = product * reciprocal;
    }
}

bool codebook_is_known(const float table[16])
{
    bool nf4 = true, fp4 = true;
    for (size_t i = 0; i < 16; i++) {
        nf4 = nf4 && table[i] == codebook_nf4[i];
        fp4 = fp4 && table[i] == codebook_fp4[i];
    }
    return nf4 || fp4;
}
