#include "cli/progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_MILLISECONDS 200

double progress_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void print_state(const struct progress_printer *printer, double seconds, bool last)
{
    const unsigned long long done = atomic_load(&printer->pipeline->progress.bytes), total = atomic_load(&printer->pipeline->total_bytes);
    const unsigned long long tensors = atomic_load(&printer->pipeline->progress.tensors);
    const double rate = seconds > 0 ? (double)done / seconds : 0, left = rate > 0 ? (double)(total - done) / rate : 0;
    if (printer->json) {
        (void)fprintf(stderr, "{\"tensors\": %llu, \"bytes\": %llu, \"total_bytes\": %llu, \"seconds\": %.3f}\n", tensors, done, total, seconds);
        return;
    }
    char done_text[32], total_text[32];
    (void)fprintf(stderr, "\r%llu tensors, %s of %s, %.2f GB/s, %.0f s left   ", tensors, text_bytes(done, done_text), text_bytes(total, total_text),
                  rate * 1e-9, left);
    if (last)
        (void)fputc('\n', stderr);
}

static void *print_loop(void *opaque)
{
    struct progress_printer *printer = opaque;
    const double start = progress_seconds();
    const struct timespec pause = {0, 10000000L}; /* short, so that a run never waits for its printer */
    for (unsigned tick = 1; atomic_load(&printer->done) == 0; tick++) {
        (void)nanosleep(&pause, NULL);
        if (tick % (INTERVAL_MILLISECONDS / 10) != 0)
            continue;
        if (atomic_load(&printer->pipeline->total_bytes) > 0 && atomic_load(&printer->done) == 0)
            print_state(printer, progress_seconds() - start, false);
    }
    print_state(printer, progress_seconds() - start, true);
    return NULL;
}

enum status progress_start(struct progress_printer *printer, const struct pipeline *pipeline, const char *mode, struct err *err)
{
    *printer = (struct progress_printer){.pipeline = pipeline, .json = strcmp(mode, "json") == 0};
    const bool automatic = strcmp(mode, "auto") == 0, always = strcmp(mode, "always") == 0;
    if (!automatic && !always && !printer->json && strcmp(mode, "never") != 0)
        return err_set(err, STATUS_USAGE, "--progress", "found \"%s\", expected auto, always, never or json", mode);
    if (!(always || printer->json || (automatic && isatty(STDERR_FILENO))))
        return STATUS_OK;
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    printer->running = pthread_create(&printer->thread, NULL, print_loop, printer) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return STATUS_OK;
}

void progress_stop(struct progress_printer *printer)
{
    if (!printer->running)
        return;
    atomic_store(&printer->done, 1);
    (void)pthread_join(printer->thread, NULL);
    printer->running = false;
}
