/* Executing a plan: tiles on worker threads, written at their known offsets, and hashed as they pass. */
#ifndef REPAQ_RUN_H
#define REPAQ_RUN_H

#include "base/hash.h"
#include "plan/plan.h"
#include "base/staging.h"

#include <stdatomic.h>

/* Counters that another thread may read while a run goes on. */
struct progress {
    atomic_ullong bytes;   /* of output tensors written */
    atomic_ullong tensors; /* complete */
};

/* What the machine may spend. */
struct resources {
    const struct file_ops *ops;
    unsigned threads;
    uint64_t memory_bytes;       /* resident, for everything */
    const atomic_int *cancel;    /* non-zero: stop; may be NULL */
};

/* Workers that the budget can feed: min(threads, budget / smallest good tile). */
unsigned run_workers(const struct resources *resources);
/* What each of them may hold. */
uint64_t run_worker_bytes(const struct resources *resources);

/* What a run reports: how far it is, and the XXH3-128 of every plan->tensor[i] (base/hash.h). */
struct outcome {
    struct progress *progress;
    struct digest *hash; /* [plan->tensor_count] */
};

/* Writes every output file of the plan into the staging area, headers first, and syncs them. The bytes do not depend on threads or memory. */
enum status run_plan(const struct plan *plan, const struct fetch *fetch, struct staging *staging, const struct resources *resources,
                     struct outcome outcome, struct err *err) WARN_UNUSED;

#endif
