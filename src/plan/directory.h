/* The files of a ready-to-serve directory that are not weights: config.json, side files, index, manifest. */
#ifndef REPAQ_DIRECTORY_H
#define REPAQ_DIRECTORY_H

#include "base/hash.h"
#include "base/staging.h"
#include "formats/source.h"
#include "plan/plan.h"

/* Where side files come from, and what became of them. */
struct directory {
    struct source *source;
    struct source *base; /* --base; NULL if not given */
    size_t carried;      /* out: side files copied */
    size_t left;         /* out: files of the source that stay behind (weights and stale descriptions) */
};

/* The config.json text that the output starts from: the source's, else the base's. Without any: USAGE, remedy --base. */
enum status directory_config(const struct directory *directory, struct slice *config, struct err *err) WARN_UNUSED;

/* Fills carried and left without writing anything. */
void directory_count(struct directory *directory);

/* Writes all of them into the staging area. hash[i] belongs to plan->tensor[i]. */
enum status directory_write(const struct directory *directory, struct plan *plan, struct staging *staging, const struct digest *hash,
                            struct err *err) WARN_UNUSED;

#endif
