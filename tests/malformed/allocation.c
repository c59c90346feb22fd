/* The Nth allocation of a conversion, or of a check, fails, for every N: the run ends with STATUS_LIMIT and a message, nothing leaks that a checker can see, and
 * nothing is at the destination.
 *
 *   allocation FIXTURE-DIR SCRATCH-DIR [STEP]        linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
 *
 * Prints a line a case and "N passed, N failed"; exit 1 on a failure. */
#include "base/tree.h"
#include "check/check.h"
#include "plan/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The linker's names for the real functions and for ours. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);

static atomic_uint allocations; /* since the last start */
static atomic_uint fail_at;     /* 0: never */
static atomic_bool fail_on;     /* all after it as well */

static bool fails(void)
{
    const unsigned number = atomic_fetch_add(&allocations, 1) + 1, at = atomic_load(&fail_at);
    const bool failing = at != 0 && (number == at || (number > at && atomic_load(&fail_on)));
    if (failing)
        errno = ENOMEM;
    return failing;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *data, size_t size)
{
    return fails() ? NULL : __real_realloc(data, size);
}

struct scene {
    const char *source, *target, *out, *staging;
    bool verify;
    const char *engine; /* check for it instead of converting; NULL: convert */
};

static void clear(const struct scene *scene)
{
    if (tree_remove(&file_posix, scene->out, NULL) != STATUS_OK || tree_remove(&file_posix, scene->staging, NULL) != STATUS_OK)
        printf("FAIL cannot clear %s\n", scene->out);
}

/* check writes nothing: what it leaves at the destination is what is looked for after a conversion, so a mark is put there. */
static enum status check(const struct scene *scene, struct err *err)
{
    const struct resources resources = {&file_posix, 1, UINT64_C(64) << 20, NULL};
    struct subject subject = {.engine = engines_find(scene->engine)};
    const enum status status = check_run(&subject, &resources, scene->source, err);
    subject_free(&subject);
    if (status == STATUS_OK)
        (void)mkdir(scene->out, 0777);
    return status;
}

static enum status convert(const struct scene *scene, struct err *err)
{
    struct pipeline pipeline;
    const struct request request = {.source = scene->source, .destination = scene->out, .target = registry_find(scene->target), .directory = true,
                                    .verify = scene->verify, .options = {.dtype = strcmp(scene->target, "mlx") == 0 ? DTYPE_F32 : DTYPE_NONE}};
    const struct resources resources = {&file_posix, 1, UINT64_C(64) << 20, NULL};
    *err = (struct err){0};
    if (scene->engine != NULL)
        return check(scene, err);
    enum status status = pipeline_plan(&pipeline, &request, &resources, err);
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request, &resources, err);
    pipeline_free(&pipeline);
    return status;
}

/* One run with the fault at `number`. False: there was no such allocation, so all have been tried. */
static bool try_one(const struct scene *scene, unsigned number, bool persistent, unsigned *bad)
{
    struct err err;
    clear(scene);
    atomic_store(&fail_on, persistent);
    atomic_store(&allocations, 0);
    atomic_store(&fail_at, number);
    const enum status status = convert(scene, &err);
    atomic_store(&fail_at, 0);
    const bool reached = atomic_load(&allocations) >= number;
    const bool out = file_stat(scene->out, NULL) != FILE_ABSENT, staging = file_stat(scene->staging, NULL) != FILE_ABSENT;
    const char *fault = NULL;
    if (status == STATUS_OK && reached && !out)
        fault = "success, and nothing is written";
    else if (status != STATUS_OK && !reached)
        fault = "a failure without a fault";
    else if (status == STATUS_OK && reached)
        fault = NULL; /* an allocation that can be done without */
    else if (status != STATUS_OK && status != STATUS_LIMIT)
        fault = "expected STATUS_LIMIT";
    else if (status != STATUS_OK && (err.status != STATUS_LIMIT || err.what[0] == '\0'))
        fault = "expected a message";
    else if (status != STATUS_OK && out)
        fault = "the destination exists";
    else if (status != STATUS_OK && staging && !persistent) /* removing the area takes memory too */
        fault = "the staging area stays";
    if (fault != NULL) {
        printf("FAIL %s to %s%s, allocation %u: %s (status %d: %s: %s)\n", scene->source, scene->target, persistent ? ", persistent" : "", number, fault,
               (int)status, err.where, err.what);
        ++*bad;
    }
    return reached;
}

static bool run_scene(const struct scene *scene, unsigned step, bool persistent)
{
    unsigned bad = 0, number = 1;
    struct err err;
    clear(scene);
    const enum status status = convert(scene, &err);
    if (status != STATUS_OK) {
        printf("FAIL %s to %s without a fault: %s: %s\n", scene->source, scene->target, err.where, err.what);
        return false;
    }
    while (try_one(scene, number, persistent, &bad))
        number += number < 200 ? 1 : step; /* the first ones densely: they belong to reading and surveying */
    printf("%s %s to %s%s: allocations 1 to %u fail, %u bad\n", bad == 0 ? "ok  " : "FAIL", scene->source, scene->target, persistent ? ", persistent" : "",
           number, bad);
    return bad == 0;
}

int main(int argc, char **argv)
{
    static const char *const scenes[][2] = {
        {"msmodelslim/edge-w4a16-g32-sym-zeros-safe", "awq"}, {"msmodelslim/edge-w4a16-chan-asym-zeros-safe", "gptq_v2"},
        {"gptq/gptq-qwen2-4bit-g128-sym", "awq"}, {"awq/awq-qwen2-4bit-g128", "gptq"}, {"hf/tiny-float-sharded", "hf"},
        {"compressed_tensors/ct-qwen2-w4a16-awq-g64-asym", "mlx"}, {"mlx/mlx-qwen2-4bit-g64", "hf"}, {"msmodelslim/ms-llama-w8a8-static-safe", "compressed-tensors"},
    };
    static const char *const checks[][2] = {
        {"gptq/gptq-qwen2-4bit-g128-sym", "vllm"}, {"awq/awq-qwen2-4bit-g128", "transformers"}, {"msmodelslim/edge-w8a16-chan-asym-zeros-asc", "vllm-ascend"},
        {"msmodelslim/synth-edge-truncated-shard", "mindie"},
    };
    unsigned passed = 0, failed = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: allocation FIXTURE-DIR SCRATCH-DIR [STEP]\n");
        return 2;
    }
    const unsigned step = argc > 3 && atoi(argv[3]) > 0 ? (unsigned)atoi(argv[3]) : 7;
    char out[1024], staging[1024];
    (void)mkdir(argv[2], 0777);
    (void)snprintf(out, sizeof out, "%s/out", argv[2]);
    (void)snprintf(staging, sizeof staging, "%s/.out.repaq-staging", argv[2]);
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        char source[1024];
        (void)snprintf(source, sizeof source, "%s/%s", argv[1], scenes[i][0]);
        for (int persistent = 0; persistent < 2; persistent++) {
            const struct scene scene = {source, scenes[i][1], out, staging, i == 0, NULL};
            const bool good = run_scene(&scene, step, persistent != 0);
            passed += good;
            failed += !good;
        }
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        char source[1024];
        (void)snprintf(source, sizeof source, "%s/%s", argv[1], checks[i][0]);
        for (int persistent = 0; persistent < 2; persistent++) {
            const struct scene scene = {source, checks[i][1], out, staging, false, checks[i][1]};
            const bool good = run_scene(&scene, step, persistent != 0);
            passed += good;
            failed += !good;
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
