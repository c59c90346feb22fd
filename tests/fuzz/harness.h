/* What the harnesses share: the entry point of libFuzzer, and the rule that an error is told. */
#ifndef REPAQ_HARNESS_H
#define REPAQ_HARNESS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A failing call has filled its record with the same status, a place and words; anything else is a bug to find. */
static inline void harness_check(enum status status, const struct err *err)
{
    if (status != STATUS_OK && (err->status != status || err->what[0] == '\0'))
        abort();
}

#endif
