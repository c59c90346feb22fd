/* A model directory as one archive, and back, byte for byte. */
#ifndef REPAQ_BUNDLE_H
#define REPAQ_BUNDLE_H

#include "plan/run.h"

struct bundle {
    size_t files;
    uint64_t content, stored; /* bytes of the files, and of the archive */
    size_t hidden;            /* names that begin with a dot, which stay behind */
    size_t strange, empty;    /* likewise: sockets and the like; directories without files (of an archive: entries for such) */
};

/* Writes DIR's files as zstd entries of one zip, atomically. UNSUPPORTED for a LoRA adapter; LIMIT for directories that are nested too deep; USAGE where the
 * archive would lie in DIR or is there without `force`. */
enum status bundle_pack(struct bundle *bundle, const struct resources *resources, const char *dir, const char *archive, bool force,
                        struct err *err) WARN_UNUSED;
/* Writes an archive's files as a directory, atomically; sizes and CRCs are checked, and names that lead elsewhere are CORRUPT. */
enum status bundle_unpack(struct bundle *bundle, const struct resources *resources, const char *archive, const char *dir, bool force,
                          struct err *err) WARN_UNUSED;

#endif
