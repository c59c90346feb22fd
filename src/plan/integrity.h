/* The manifest's hashes held against the bytes of a directory that has one. */
#ifndef REPAQ_INTEGRITY_H
#define REPAQ_INTEGRITY_H

#include "plan/run.h"

struct integrity {
    size_t checked, damaged; /* tensors with a listed hash; those whose bytes have another */
    const char *first;       /* name of the first damaged tensor, in the model; NULL if none */
};

/* Reads and hashes every tensor that the manifest of the model's directory lists. Without a manifest nothing is read. */
enum status integrity_check(struct integrity *integrity, const struct fetch *fetch, const struct resources *resources, struct err *err) WARN_UNUSED;

#endif
