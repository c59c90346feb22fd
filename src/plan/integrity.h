/* The manifest's hashes held against the bytes of a directory that has one. */
#ifndef REPAQ_INTEGRITY_H
#define REPAQ_INTEGRITY_H

#include "plan/manifest.h"
#include "plan/run.h"

struct integrity {
    struct manifest manifest;
    size_t checked, damaged; /* tensors with a listed hash; those whose bytes have another */
    const char *first;       /* name of the first damaged tensor; NULL if none */
};

/* Reads and hashes every tensor that the manifest of the model's directory lists. Without a manifest nothing is read. Free with integrity_free,
 * also after a failure. */
enum status integrity_check(struct integrity *integrity, const struct fetch *fetch, const struct resources *resources, struct err *err) WARN_UNUSED;
void integrity_free(struct integrity *integrity);

#endif
