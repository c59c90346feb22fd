/* A fixed pool of worker threads that drains an array of independent jobs. */
#ifndef REPAQ_POOL_H
#define REPAQ_POOL_H

#include "base/err.h"

#include <stdatomic.h>
#include <stddef.h>

/* Runs job `index` on worker `worker` (0..workers-1). */
typedef enum status (*pool_job)(void *context, size_t index, unsigned worker, struct err *err);

/* Runs jobs 0..jobs-1, handed out in order, on `workers` threads (worker 0 is the caller; 1 worker starts no thread). The first failure in
 * job order among those that ran stops the hand-out; its error is returned in *err. *cancel (may be NULL) non-zero stops too: CANCELLED. A thread that
 * cannot be started is no error: fewer workers do the work. Signals are blocked in the started threads. */
enum status pool_run(unsigned workers, size_t jobs, pool_job run, void *context, const atomic_int *cancel, struct err *err) WARN_UNUSED;

/* Processors this process may run on (sched_getaffinity), at least 1. */
unsigned pool_processors(void);

#endif
