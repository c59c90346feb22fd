#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define JOBS 5000

struct tally {
    atomic_uint runs[JOBS];
    atomic_uint bad;      /* jobs with a worker number out of range */
    atomic_uint total;
    unsigned workers;
    size_t fail_from;     /* every job from here on fails */
    size_t cancel_at;     /* this job raises the flag */
    atomic_int flag;
};

static void tally_start(struct tally *tally, unsigned workers)
{
    memset(tally, 0, sizeof *tally);
    tally->workers = workers;
    tally->fail_from = tally->cancel_at = SIZE_MAX;
}

static enum status count_job(void *context, size_t index, unsigned worker, struct err *err)
{
    struct tally *tally = context;
    atomic_fetch_add(&tally->runs[index], 1);
    atomic_fetch_add(&tally->total, 1);
    if (worker >= tally->workers)
        atomic_fetch_add(&tally->bad, 1);
    if (index == tally->cancel_at)
        atomic_store(&tally->flag, 1);
    if (index < tally->fail_from)
        return STATUS_OK;
    for (size_t i = 0; i < 3 - index % 3; i++) /* later jobs are quicker to fail */
        (void)sched_yield();
    return err_set(err, STATUS_CORRUPT, "job", "found %zu", index);
}

static void every_job_runs_once(void **state)
{
    (void)state;
    static struct tally tally;
    static const unsigned workers[] = {1, 2, 3, 8, 300};
    struct err err;
    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++) {
        tally_start(&tally, workers[i]);
        assert_int_equal(pool_run(workers[i], JOBS, count_job, &tally, &tally.flag, &err), STATUS_OK);
        for (size_t job = 0; job < JOBS; job++)
            assert_int_equal(atomic_load(&tally.runs[job]), 1);
        assert_int_equal(atomic_load(&tally.bad), 0);
    }
}

static void edges(void **state)
{
    (void)state;
    static struct tally tally;
    struct err err;
    tally_start(&tally, 1);
    assert_int_equal(pool_run(4, 0, count_job, &tally, NULL, &err), STATUS_OK);
    assert_int_equal(atomic_load(&tally.total), 0);
    assert_int_equal(pool_run(8, 1, count_job, &tally, NULL, &err), STATUS_OK); /* no more workers than jobs */
    assert_int_equal(atomic_load(&tally.total), 1);
    assert_int_equal(atomic_load(&tally.bad), 0);
    assert_int_equal(pool_run(0, 2, count_job, &tally, NULL, &err), STATUS_OK); /* the caller works in any case */
    assert_int_equal(atomic_load(&tally.total), 3);
    assert_int_equal(atomic_load(&tally.bad), 0);
}

struct order {
    pthread_t caller;
    size_t next;
    bool wrong;
};

static enum status order_job(void *context, size_t index, unsigned worker, struct err *err)
{
    struct order *order = context;
    (void)err;
    order->wrong |= index != order->next++ || worker != 0 || !pthread_equal(order->caller, pthread_self());
    return STATUS_OK;
}

static void one_worker_is_the_caller_in_order(void **state)
{
    (void)state;
    struct order order = {.caller = pthread_self()};
    struct err err;
    assert_int_equal(pool_run(1, 100, order_job, &order, NULL, &err), STATUS_OK);
    assert_int_equal(order.next, 100);
    assert_false(order.wrong);
}

/* Jobs are handed out in order and what is handed out runs, so the error is that of the lowest job that can fail: always the same. */
static void lowest_failure_is_reported(void **state)
{
    (void)state;
    static struct tally tally;
    for (unsigned round = 0; round < 300; round++) {
        struct err err = {0};
        char expected[32];
        const unsigned workers = 1 + round % 6;
        tally_start(&tally, workers);
        tally.fail_from = round;
        assert_int_equal(pool_run(workers, JOBS, count_job, &tally, NULL, &err), STATUS_CORRUPT);
        (void)snprintf(expected, sizeof expected, "found %u", round);
        assert_string_equal(err.what, expected);
        assert_int_equal(err.status, STATUS_CORRUPT);
        assert_true(atomic_load(&tally.total) <= round + workers); /* at most one failure each */
    }
    tally_start(&tally, 2);
    tally.fail_from = 0;
    assert_int_equal(pool_run(2, JOBS, count_job, &tally, NULL, NULL), STATUS_CORRUPT);
}

static void cancelling_stops(void **state)
{
    (void)state;
    static struct tally tally;
    struct err err = {0};
    tally_start(&tally, 4);
    atomic_store(&tally.flag, 1);
    assert_int_equal(pool_run(4, JOBS, count_job, &tally, &tally.flag, &err), STATUS_CANCELLED);
    assert_int_equal(err.status, STATUS_CANCELLED);
    assert_int_equal(atomic_load(&tally.total), 0);
    tally_start(&tally, 1);
    tally.cancel_at = 10;
    assert_int_equal(pool_run(1, JOBS, count_job, &tally, &tally.flag, &err), STATUS_CANCELLED);
    assert_int_equal(atomic_load(&tally.total), 11);
    tally_start(&tally, 1); /* a failure says more than the stop that came with it */
    tally.cancel_at = tally.fail_from = 10;
    assert_int_equal(pool_run(1, JOBS, count_job, &tally, &tally.flag, &err), STATUS_CORRUPT);
}

struct meeting {
    atomic_uint present;
    atomic_uint with_signals; /* started threads that would take SIGINT or SIGTERM */
    atomic_uint strangers;    /* workers other than 0 */
};

/* Waits until both jobs have begun, so that each has a thread of its own; gives up after a while. */
static enum status meet_job(void *context, size_t index, unsigned worker, struct err *err)
{
    struct meeting *meeting = context;
    (void)index;
    atomic_fetch_add(&meeting->present, 1);
    for (unsigned i = 0; i < 50000000 && atomic_load(&meeting->present) < 2; i++)
        (void)sched_yield();
    if (atomic_load(&meeting->present) < 2)
        return err_set(err, STATUS_IO, "meeting", "nobody else came");
    if (worker == 0)
        return STATUS_OK;
    sigset_t blocked;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_fetch_add(&meeting->strangers, 1);
    if (sigismember(&blocked, SIGINT) != 1 || sigismember(&blocked, SIGTERM) != 1)
        atomic_fetch_add(&meeting->with_signals, 1);
    return STATUS_OK;
}

static void started_threads_block_signals(void **state)
{
    (void)state;
    struct meeting meeting = {0};
    struct err err;
    sigset_t before, after;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(pool_run(2, 2, meet_job, &meeting, NULL, &err), STATUS_OK);
    assert_int_equal(atomic_load(&meeting.strangers), 1);
    assert_int_equal(atomic_load(&meeting.with_signals), 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int s = 1; s < 32; s++)
        assert_int_equal(sigismember(&before, s), sigismember(&after, s));
}

static void *never_started(void *context)
{
    return context;
}

static void threads_that_do_not_start_are_no_error(void **state)
{
    (void)state;
    static struct tally tally;
    struct err err;
    pthread_attr_t usual, huge;
    pthread_t probe;
    struct order order = {.caller = pthread_self()};
    assert_int_equal(pthread_getattr_default_np(&usual), 0);
    assert_int_equal(pthread_attr_init(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 47), 0); /* more than the address space */
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    assert_int_not_equal(pthread_create(&probe, NULL, never_started, NULL), 0); /* the means of this test work */
    tally_start(&tally, 1);
    const enum status status = pool_run(4, JOBS, count_job, &tally, NULL, &err), alone = pool_run(4, 50, order_job, &order, NULL, &err);
    assert_int_equal(pthread_setattr_default_np(&usual), 0);
    (void)pthread_attr_destroy(&huge);
    (void)pthread_attr_destroy(&usual);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(atomic_load(&tally.total), JOBS);
    assert_int_equal(atomic_load(&tally.bad), 0);
    assert_int_equal(alone, STATUS_OK);
    assert_false(order.wrong);
}

static void processors_are_those_of_the_affinity(void **state)
{
    (void)state;
    cpu_set_t usual, one;
    assert_int_equal(sched_getaffinity(0, sizeof usual, &usual), 0);
    assert_int_equal(pool_processors(), CPU_COUNT(&usual));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &usual))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    const unsigned single = pool_processors();
    assert_int_equal(sched_setaffinity(0, sizeof usual, &usual), 0);
    assert_int_equal(single, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once),
        cmocka_unit_test(edges),
        cmocka_unit_test(one_worker_is_the_caller_in_order),
        cmocka_unit_test(lowest_failure_is_reported),
        cmocka_unit_test(cancelling_stops),
        cmocka_unit_test(started_threads_block_signals),
        cmocka_unit_test(threads_that_do_not_start_are_no_error),
        cmocka_unit_test(processors_are_those_of_the_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
