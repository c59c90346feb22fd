#include "base/crc32.h"

#include "base/le.h"

/* table[0] is the remainder of a byte, table[k] that of a byte with k zero bytes behind it: eight bytes go in at once. */
void crc32_start(struct crc32 *crc)
{
    crc->state = UINT32_MAX;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int bit = 0; bit < 8; bit++)
            rest = rest >> 1 ^ ((rest & 1) != 0 ? UINT32_C(0xedb88320) : 0);
        crc->table[0][byte] = rest;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t byte = 0; byte < 256; byte++)
            crc->table[k][byte] = crc->table[k - 1][byte] >> 8 ^ crc->table[0][crc->table[k - 1][byte] & 255];
}

void crc32_add(struct crc32 *crc, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint32_t state = crc->state;
    for (; size >= 8; size -= 8, at += 8) {
        const uint32_t low = le_load32(at) ^ state, high = le_load32(at + 4);
        state = crc->table[7][low & 255] ^ crc->table[6][low >> 8 & 255] ^ crc->table[5][low >> 16 & 255] ^ crc->table[4][low >> 24] ^
                crc->table[3][high & 255] ^ crc->table[2][high >> 8 & 255] ^ crc->table[1][high >> 16 & 255] ^ crc->table[0][high >> 24];
    }
    for (; size > 0; size--, at++)
        state = state >> 8 ^ crc->table[0][(state ^ *at) & 255];
    crc->state = state;
}

uint32_t crc32_end(const struct crc32 *crc)
{
    return ~crc->state;
}
