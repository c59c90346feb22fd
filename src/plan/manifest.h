/* repaq-manifest.json: what each output tensor came from, how exactly, and its hash. No time, host, path, thread count or memory size in it. */
#ifndef REPAQ_MANIFEST_H
#define REPAQ_MANIFEST_H

#include "base/hash.h"
#include "base/file.h"
#include "base/map.h"
#include "plan/plan.h"

#define MANIFEST_NAME "repaq-manifest.json"

/* Creates `path` with the manifest of a run and syncs it; written piece by piece. hash[i] belongs to plan->tensor[i]. */
enum status manifest_write(const struct plan *plan, const struct digest *hash, const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;

/* What a manifest says of the tensors of a directory. */
struct manifest {
    struct arena arena;
    struct map by_name;      /* tensor -> index into hash */
    struct digest *hash;     /* owned */
    size_t count, capacity;
};
/* Reads DIR's manifest. Absent: count 0 and no error. Malformed: CORRUPT. Free with manifest_free, also after a failure. */
enum status manifest_read(struct manifest *manifest, const struct file_ops *ops, const char *dir, struct err *err) WARN_UNUSED;
void manifest_free(struct manifest *manifest);

#endif
