/* CRC-32 of zip archives (ISO-HDLC: polynomial 0x04c11db7, reflected). */
#ifndef REPAQ_CRC32_H
#define REPAQ_CRC32_H

#include <stddef.h>
#include <stdint.h>

struct crc32 {
    uint32_t table[8][256];
    uint32_t state;
};

void crc32_start(struct crc32 *crc);
void crc32_add(struct crc32 *crc, const void *data, size_t size);
uint32_t crc32_end(const struct crc32 *crc);

#endif
