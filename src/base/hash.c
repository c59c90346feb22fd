#include "base/hash.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

uint64_t hash_64(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

static struct digest canonical(XXH128_hash_t hash)
{
    XXH128_canonical_t bytes;
    struct digest digest;
    XXH128_canonicalFromHash(&bytes, hash);
    memcpy(digest.byte, bytes.digest, sizeof digest.byte);
    return digest;
}

struct digest hash_block(const void *data, size_t size)
{
    return canonical(XXH3_128bits(data, size));
}

struct digest hash_tensor(const struct digest *block, size_t blocks)
{
    return hash_block(block, blocks * sizeof *block);
}

void hash_hex(struct digest digest, char hex[33])
{
    for (size_t i = 0; i < sizeof digest.byte; i++)
        (void)sprintf(hex + 2 * i, "%02x", digest.byte[i]);
}
