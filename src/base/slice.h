/* Borrowed strings. */
#ifndef REPAQ_SLICE_H
#define REPAQ_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns; not NUL-terminated. */
struct slice {
    const char *data;
    size_t size;
};

struct slice slice_of(const char *string); /* strlen; NULL gives an empty slice */
bool slice_equal(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *string);
bool slice_starts(struct slice a, const char *prefix);
bool slice_ends(struct slice a, const char *suffix);
/* Reads a plain decimal u64: digits only, no sign, no leading zero (but "0"), no overflow. */
bool slice_u64(struct slice a, uint64_t *value);
/* The bytes of the UTF-8 sequence that it begins with; 0 if that is not valid (Unicode table 3-7: no overlong form, no surrogate, at most U+10FFFF). Not
 * empty. */
size_t slice_utf8(struct slice a);
/* True if all of it is UTF-8. */
bool slice_is_utf8(struct slice a);

#endif
