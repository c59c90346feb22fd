/* SHA-256 (FIPS 180-4), for names that other tools derive from a hash. */
#ifndef REPAQ_SHA256_H
#define REPAQ_SHA256_H

#include <stddef.h>

/* The hash of size bytes as 64 lower-case hexadecimal digits and a NUL. */
void sha256_hex(const void *data, size_t size, char hex[65]);

#endif
