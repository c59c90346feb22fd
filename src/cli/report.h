/* What a conversion prints: the plan of a dry run, and the summary at the end; as text and as JSON. */
#ifndef REPAQ_REPORT_H
#define REPAQ_REPORT_H

#include "plan/pipeline.h"

struct report {
    const struct pipeline *pipeline;
    const struct request *request;
    double seconds;
};

void report_text(const struct report *report);
void report_json(const struct report *report);
/* Peak resident memory of this process, bytes. */
uint64_t report_peak_memory(void);

#endif
