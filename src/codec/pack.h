/* Canonical codes u8 [out][in] <-> a stored layout. The reference is one generic loop each way, driven by the layout row; fast
 * kernels stand beside it and give the same bytes. Regions start on a run of the pack axis (layout_run) and cover whole runs. */
#ifndef REPAQ_PACK_H
#define REPAQ_PACK_H

#include "codec/layout.h"

/* A rectangle of a stored matrix in memory: the first byte of its first row and the distance between rows. */
struct stored {
    uint8_t *data;
    size_t stride; /* bytes from one stored row to the next */
};
/* A rectangle of canonical codes: code (o, i) = data[o * stride + i]. */
struct codes {
    uint8_t *data; /* [out][stride] */
    size_t stride;
};

/* Stores out x in codes, each below 2^code_bits. */
void pack_codes(const struct layout *layout, struct codes codes, size_t out, size_t in, struct stored stored);
/* Loads out x in codes. Returns how many fields hold no code of the row (a byte outside -8..7 in BYTE_INT4); those give some code. */
size_t pack_unpack(const struct layout *layout, struct stored stored, size_t out, size_t in, struct codes codes);

/* The same by the generic loops alone: the reference that tests and `bench` compare with. */
void pack_codes_reference(const struct layout *layout, struct codes codes, size_t out, size_t in, struct stored stored);
size_t pack_unpack_reference(const struct layout *layout, struct stored stored, size_t out, size_t in, struct codes codes);

#endif
