/* Progress on stderr while a run goes on in other threads. */
#ifndef REPAQ_PROGRESS_H
#define REPAQ_PROGRESS_H

#include "plan/pipeline.h"

#include <pthread.h>

struct progress_printer {
    const struct pipeline *pipeline;
    bool json, running;
    atomic_int done;
    pthread_t thread;
};

/* mode: "auto" (only on a terminal), "always", "never" or "json"; anything else is USAGE. Starts a thread if something is to be printed. */
enum status progress_start(struct progress_printer *printer, const struct pipeline *pipeline, const char *mode, struct err *err) WARN_UNUSED;
/* Prints the last state and ends the thread. */
void progress_stop(struct progress_printer *printer);
/* Seconds of a clock that never goes back. */
double progress_seconds(void);

#endif
