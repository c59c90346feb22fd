/* The staging area: what a run writes before it is sealed into place by one rename.
 *
 *   DIR/.NAME.repaq-staging/      sibling of the destination DIR/NAME, on the same file system, held by flock
 *
 * Before staging_seal the destination is as it was; after it the destination is complete. After SIGKILL the area stays and the
 * next run to the same destination removes it. Held by a living run: STATUS_IO. */
#ifndef REPAQ_STAGING_H
#define REPAQ_STAGING_H

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#include <stdbool.h>

struct staging {
    const struct file_ops *ops;
    const char *destination; /* in the arena */
    const char *dir;         /* the staging directory; in the arena */
    const char *parent;      /* of both; in the arena */
    int lock_fd;             /* flock on dir itself, -1 if not held */
    bool may_replace;        /* --force: exchange with an existing destination and remove the old one */
    bool sealed;
};

/* Refuses an existing destination unless `force` (USAGE, remedy --force), a missing parent directory (USAGE), and a staging area that
 * another run holds (IO). Removes one that a dead run left. Trailing slashes of destination are ignored. A symbolic link as
 * destination counts as existing and is replaced itself, not its target. */
enum status staging_open(struct staging *staging, const struct file_ops *ops, const char *destination, bool force, struct arena *arena,
                         struct err *err) WARN_UNUSED;
/* What staging_open would refuse of the destination itself, before anything is made. */
enum status staging_check(const char *destination, bool force, struct err *err) WARN_UNUSED;
/* "DIR/NAME" in the arena, parents made as needed (names with '/'). NULL with *err filled on failure. */
char *staging_path(struct staging *staging, const char *name, struct arena *arena, struct err *err);
/* Syncs the staging directory (and its sub-directories), renames it to the destination (exchange and remove the old tree if it replaces one), syncs the
 * parent. A destination that appeared meanwhile is not overwritten without force (IO). */
enum status staging_seal(struct staging *staging, struct err *err) WARN_UNUSED;
/* As staging_seal, but the destination becomes the one file `name` of the area; then the area is removed. Without `force` at open an existing
 * destination is refused. */
enum status staging_seal_file(struct staging *staging, const char *name, struct err *err) WARN_UNUSED;
/* As staging_seal_file for files that belong together: each goes beside the destination, under its own name, and the first, without which nobody reads the
 * others, comes last; one that is replaced goes away before all. What fails on the way is taken back. */
enum status staging_seal_files(struct staging *staging, const char *const *name, size_t count, struct err *err) WARN_UNUSED;
/* Removes the area if it was not sealed; idempotent, keeps no error. */
void staging_drop(struct staging *staging);

#endif
