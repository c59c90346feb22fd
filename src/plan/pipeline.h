/* The whole of a conversion: read, survey, plan, run, prove, seal. */
#ifndef REPAQ_PIPELINE_H
#define REPAQ_PIPELINE_H

#include "formats/ggufcopy.h"
#include "formats/registry.h"
#include "plan/compare.h"
#include "plan/plan.h"
#include "plan/run.h"

/* Looks at the staged directory before it is put in place; an error leaves nothing there. */
struct judge {
    enum status (*judge)(const char *dir, const struct resources *resources, const void *context, struct err *err); /* NULL: nobody */
    const void *context; /* borrowed */
};

struct request {
    const char *source, *destination;
    const char *base;           /* --base; NULL */
    const char *from;           /* --from; NULL */
    const struct format *target;
    struct read_options reading;
    struct options options;
    struct gguf_options gguf;
    struct judge judge;         /* --for */
    bool dry_run, verify, force;
    bool directory;             /* false: one file, or several beside each other (GGUF, ms_to_vllm) */
    bool folder;                /* a directory of nothing but these files */
};

/* What a conversion holds while it goes on and after it: everything that a report prints. */
struct pipeline {
    struct source source, base;
    struct model model;
    struct bid bid;
    struct fetch fetch;
    struct arrangement arrangement; /* of a GGUF */
    struct gguf_input gguf;
    struct ggufcopy copy;           /* of a GGUF that is made of a GGUF */
    struct aims aims;
    struct survey survey;
    struct plan plan;
    struct comparison comparison; /* --verify */
    struct digest *hash;          /* owned; [plan.tensor_count] */
    struct progress progress;
    atomic_ullong total_bytes;    /* of output tensors; known once the plan is made */
    size_t carried, left;         /* side files copied, and left behind */
    struct arena arena;
};

/* Reads, surveys and plans: enough for --dry-run. Free with pipeline_free, also after a failure. */
enum status pipeline_plan(struct pipeline *pipeline, const struct request *request, const struct resources *resources, struct err *err) WARN_UNUSED;
/* Runs a planned conversion and seals it. With request->verify the staged result is read back and compared first; a difference is STATUS_DIFFERS and
 * leaves nothing at the destination. */
enum status pipeline_run(struct pipeline *pipeline, const struct request *request, const struct resources *resources, struct err *err) WARN_UNUSED;
void pipeline_free(struct pipeline *pipeline);

#endif
