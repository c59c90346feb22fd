/* The headers of all weight files, read one by one, so that a missing or truncated file or a name in two of them does not end the check. */
#ifndef REPAQ_HEADERS_H
#define REPAQ_HEADERS_H

#include "formats/source.h"

struct header_file {
    const char *name;
    const char *format;       /* __metadata__.format; NULL if absent */
    const struct err *damage; /* the header can be parsed, but the file does not hold what it says; NULL if it does */
};

/* Zero-initialise; free with headers_free. */
struct headers {
    struct arena arena;
    struct model model;       /* every tensor once, under its first file; no weights */
    struct header_file *file; /* owned; [model.file_count] */
    size_t file_capacity;
    bool damaged;
};

/* Reads the one weight file that the source names, or all top-level ones of its kind. A header that cannot be parsed is CORRUPT. */
enum status headers_read(struct headers *headers, struct source *source, struct err *err) WARN_UNUSED;
void headers_free(struct headers *headers);

#endif
