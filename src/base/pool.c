#include "base/pool.h"

#include "base/limits.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

struct pool {
    size_t jobs;
    pool_job run;
    void *context;
    const atomic_int *cancel;
    atomic_size_t next;   /* the first job not handed out */
    atomic_int stop;      /* some job failed */
};

struct worker {
    struct pool *pool;
    unsigned index;
    pthread_t thread;
    size_t failed_job;    /* meaningful if status is not OK */
    enum status status;
    struct err err;
};

static void drain(struct worker *worker)
{
    struct pool *pool = worker->pool;
    while (atomic_load(&pool->stop) == 0) {
        if (pool->cancel != NULL && atomic_load(pool->cancel) != 0)
            return;
        const size_t job = atomic_fetch_add(&pool->next, 1);
        if (job >= pool->jobs)
            return;
        worker->status = pool->run(pool->context, job, worker->index, &worker->err);
        if (worker->status == STATUS_OK)
            continue;
        worker->failed_job = job;
        atomic_store(&pool->stop, 1);
    }
}

static void *thread_main(void *opaque)
{
    drain(opaque);
    return NULL;
}

/* Signals go to the thread that waits for them, never to a worker. */
static unsigned start_threads(struct worker *worker, unsigned workers)
{
    sigset_t all, before;
    unsigned started = 1;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < workers && pthread_create(&worker[started].thread, NULL, thread_main, &worker[started]) == 0)
        started++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

enum status pool_run(unsigned workers, size_t jobs, pool_job run, void *context, const atomic_int *cancel, struct err *err)
{
    struct pool pool = {.jobs = jobs, .run = run, .context = context, .cancel = cancel};
    if (workers > LIMIT_THREADS_MAX)
        workers = LIMIT_THREADS_MAX;
    if (workers > jobs)
        workers = (unsigned)jobs;
    if (workers == 0) /* the caller is always there */
        workers = 1;
    struct worker *worker = mem_alloc(workers, sizeof *worker, err);
    if (worker == NULL)
        return STATUS_LIMIT;
    for (unsigned i = 0; i < workers; i++) {
        worker[i].pool = &pool;
        worker[i].index = i;
    }
    const unsigned started = start_threads(worker, workers);
    drain(&worker[0]);
    for (unsigned i = 1; i < started; i++)
        (void)pthread_join(worker[i].thread, NULL);
    const struct worker *first = NULL;
    for (unsigned i = 0; i < started; i++)
        if (worker[i].status != STATUS_OK && (first == NULL || worker[i].failed_job < first->failed_job))
            first = &worker[i];
    enum status status = STATUS_OK;
    if (first != NULL) {
        status = first->status;
        if (err != NULL)
            *err = first->err;
    } else if (cancel != NULL && atomic_load(cancel) != 0) {
        status = err_set(err, STATUS_CANCELLED, "", "stopped by a signal");
    }
    free(worker);
    return status;
}

unsigned pool_processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}
