/* Hashes (the only includer of xxHash): a 64-bit one for the map, and the tensor hash of the manifest. */
#ifndef REPAQ_HASH_H
#define REPAQ_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_64(const void *data, size_t size); /* XXH3-64 */

/* A canonical (big-endian) XXH3-128. */
struct digest {
    uint8_t byte[16];
};

#define HASH_BLOCK_BYTES (UINT64_C(8) << 20)

/* XXH3-128 of size bytes. */
struct digest hash_block(const void *data, size_t size);

/* XXH3-128 over the concatenated canonical digests of a tensor's consecutive 8 MiB blocks (the last may be short; a tensor
 * of 0 bytes has no block). So the hash does not depend on how the tensor was cut into tiles. */
struct digest hash_tensor(const struct digest *block, size_t blocks);

/* 32 lower-case hexadecimal digits and a NUL. */
void hash_hex(struct digest digest, char hex[33]);

#endif
