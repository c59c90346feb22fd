/* The pipeline as a whole: what it fills, every status it ends with, and that a written error is found by --verify. */
#include "base/tree.h"
#include "plan/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PLACE "pipeline.tmp"
#define OUT PLACE "/out"
#define STAGING PLACE "/.out.repaq-staging"

static const char *fixture(const char *name, char *path, size_t size)
{
    const char *fixtures = getenv("REPAQ_FIXTURES");
    assert_non_null(fixtures);
    (void)snprintf(path, size, "%s/%s", fixtures, name);
    return path;
}

static int clear_place(void **state)
{
    (void)state;
    return tree_remove(&file_posix, PLACE, NULL) == STATUS_OK && mkdir(PLACE, 0777) == 0 ? 0 : -1;
}

/* A request for one of the fixtures; its path lives as long as the caller's buffer. */
struct case_request {
    char path[1024];
    struct request request;
    struct resources resources;
};

static struct case_request *take(struct case_request *request, const char *name, const char *target)
{
    *request = (struct case_request){.resources = {&file_posix, 2, UINT64_C(64) << 20, NULL}};
    request->request = (struct request){.source = fixture(name, request->path, sizeof request->path), .destination = OUT, .target = registry_find(target),
                                        .directory = true, .options = {.dtype = DTYPE_NONE}};
    assert_non_null(request->request.target);
    return request;
}

#define SYMMETRIC "msmodelslim/edge-w4a16-g32-sym-zeros-safe"

/* Plans and runs; frees; the error stays with the caller. */
static enum status convert(const struct case_request *request, struct err *err)
{
    struct pipeline pipeline;
    *err = (struct err){0};
    enum status status = pipeline_plan(&pipeline, &request->request, &request->resources, err);
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request->request, &request->resources, err);
    pipeline_free(&pipeline);
    return status;
}

static void refused(const struct case_request *request, enum status expected, const char *says)
{
    struct err err;
    assert_int_equal(convert(request, &err), expected);
    assert_int_equal(err.status, expected);
    if (strstr(err.what, says) == NULL && strstr(err.where, says) == NULL)
        fail_msg("\"%s: %s\" lacks \"%s\"", err.where, err.what, says);
    assert_int_equal(file_stat(OUT, NULL), FILE_ABSENT);
    assert_int_equal(file_stat(STAGING, NULL), FILE_ABSENT);
}

static void a_plan_knows_everything_and_writes_nothing(void **state)
{
    (void)state;
    struct case_request request;
    struct pipeline pipeline;
    struct err err;
    take(&request, SYMMETRIC, "awq");
    assert_int_equal(pipeline_plan(&pipeline, &request.request, &request.resources, &err), STATUS_OK);
    assert_string_equal(pipeline.model.format, "msmodelslim");
    assert_true(pipeline.bid.score > 0 && pipeline.bid.evidence[0] != '\0');
    assert_int_equal(pipeline.model.weight_count, 7);
    assert_int_equal(pipeline.plan.tensor_count, 7 * 3 + 8);
    assert_int_equal(pipeline.plan.file_count, 1);
    assert_int_equal(pipeline.plan.count_of[EXACTNESS_LOSSY], 0);
    assert_int_equal(pipeline.plan.count_of[EXACTNESS_BYTES] + pipeline.plan.count_of[EXACTNESS_EXACT] + pipeline.plan.count_of[EXACTNESS_ROUNDED],
                     pipeline.plan.tensor_count);
    assert_int_equal(atomic_load(&pipeline.total_bytes), pipeline.plan.tensor_bytes);
    uint64_t bytes = 0;
    for (size_t i = 0; i < pipeline.plan.tensor_count; i++)
        bytes += pipeline.plan.tensor[i].bytes;
    assert_int_equal(bytes, pipeline.plan.tensor_bytes);
    assert_true(pipeline.plan.file_bytes > bytes);
    assert_int_equal(file_stat(OUT, NULL), FILE_ABSENT);
    assert_int_equal(file_stat(STAGING, NULL), FILE_ABSENT);
    pipeline_free(&pipeline);
}

static void a_run_makes_what_was_planned(void **state)
{
    (void)state;
    struct case_request request;
    struct pipeline pipeline;
    struct err err;
    uint64_t bytes;
    take(&request, SYMMETRIC, "awq")->request.verify = true;
    assert_int_equal(pipeline_plan(&pipeline, &request.request, &request.resources, &err), STATUS_OK);
    const uint64_t planned = pipeline.plan.file_bytes, tensor_bytes = pipeline.plan.tensor_bytes;
    assert_int_equal(pipeline_run(&pipeline, &request.request, &request.resources, &err), STATUS_OK);
    assert_int_equal(file_stat(OUT "/model.safetensors", &bytes), FILE_REGULAR);
    assert_int_equal(bytes, planned);
    assert_int_equal(file_stat(OUT "/config.json", NULL), FILE_REGULAR);
    assert_int_equal(file_stat(OUT "/repaq-manifest.json", NULL), FILE_REGULAR);
    assert_int_equal(atomic_load(&pipeline.progress.bytes), tensor_bytes);
    assert_int_equal(atomic_load(&pipeline.progress.tensors), pipeline.plan.tensor_count);
    assert_int_equal(pipeline.comparison.count_of[VERDICT_EQUAL] + pipeline.comparison.count_of[VERDICT_ROUNDED], 15);
    assert_int_equal(pipeline.comparison.count_of[VERDICT_DIFFERS], 0);
    static const struct digest none = {{0}};
    for (size_t i = 0; i < pipeline.plan.tensor_count; i++)
        assert_memory_not_equal(&pipeline.hash[i], &none, sizeof none);
    assert_int_equal(file_stat(STAGING, NULL), FILE_ABSENT);
    pipeline_free(&pipeline);
    struct err again;
    assert_int_equal(convert(&request, &again), STATUS_USAGE); /* it exists now */
    assert_true(again.remedy[0] != '\0');
    request.request.force = true;
    assert_int_equal(convert(&request, &again), STATUS_OK);
}

static void one_file_without_a_directory(void **state)
{
    (void)state;
    struct case_request request;
    struct err err;
    char description[1024];
    take(&request, SYMMETRIC "/quant_model_weight_w4a16.safetensors", "gptq");
    request.request.destination = PLACE "/res.safetensors";
    request.request.directory = false;
    request.request.force = true;
    request.request.from = "msmodelslim";
    request.request.reading.description = fixture(SYMMETRIC "/quant_model_description_w4a16.json", description, sizeof description);
    request.request.options.one_file = "res.safetensors";
    request.request.options.keep_scale_dtype = true;
    request.request.options.no_group_of = true;
    assert_int_equal(convert(&request, &err), STATUS_OK);
    assert_int_equal(file_stat(PLACE "/res.safetensors", NULL), FILE_REGULAR);
    assert_int_equal(file_stat(PLACE "/.res.safetensors.repaq-staging", NULL), FILE_ABSENT);
    assert_int_equal(convert(&request, &err), STATUS_OK); /* and again, over it */
    assert_int_equal(mkdir(PLACE "/folder", 0777), 0);
    request.request.destination = PLACE "/folder";
    assert_int_equal(convert(&request, &err), STATUS_USAGE);
}

static void statuses_of_refusals(void **state)
{
    (void)state;
    struct case_request request;
    refused(take(&request, "msmodelslim/no-such-fixture", "awq"), STATUS_IO, "no such file");
    refused(take(&request, "msmodelslim/synth-edge-truncated-shard", "awq"), STATUS_CORRUPT, "truncated");
    refused(take(&request, "msmodelslim/synth-edge-missing-shard", "awq"), STATUS_CORRUPT, "00002-of-00002");
    refused(take(&request, "msmodelslim/synth-edge-desc-mismatch", "awq"), STATUS_CORRUPT, "R-INCOMPLETE");
    refused(take(&request, "msmodelslim/edge-w8a16-chan-asym-zeros-asc", "awq"), STATUS_UNREPRESENTABLE, "R-BITS");
    refused(take(&request, "hf/tiny-float-sharded", "awq"), STATUS_UNREPRESENTABLE, "no quantized weights");
    take(&request, SYMMETRIC, "awq")->request.options.exact = true;
    refused(&request, STATUS_UNREPRESENTABLE, "R-SCALE");
    take(&request, SYMMETRIC, "awq")->request.from = "gptq";
    refused(&request, STATUS_USAGE, "gptq");
    take(&request, SYMMETRIC, "awq")->request.base = PLACE "/nowhere";
    refused(&request, STATUS_IO, "nowhere");
    take(&request, "hf/tiny-float-sharded", "hf")->request.options.bits = 4;
    refused(&request, STATUS_USAGE, "no codes");
    take(&request, SYMMETRIC, "awq")->request.destination = PLACE "/no/out";
    refused(&request, STATUS_USAGE, "no such directory");
}

static void the_source_is_never_the_destination(void **state)
{
    (void)state;
    struct case_request request;
    struct err err;
    take(&request, SYMMETRIC, "awq")->request.destination = request.path;
    request.request.force = true;
    assert_int_equal(convert(&request, &err), STATUS_USAGE);
    take(&request, SYMMETRIC, "awq")->request.force = true;
    request.request.base = PLACE;
    request.request.destination = PLACE "/.";
    assert_int_equal(convert(&request, &err), STATUS_USAGE);
    assert_non_null(strstr(err.what, "--base"));
}

static void a_signal_stops_a_run(void **state)
{
    (void)state;
    struct case_request request;
    struct pipeline pipeline;
    struct err err;
    atomic_int stop;
    atomic_init(&stop, 0);
    take(&request, SYMMETRIC, "awq")->resources.cancel = &stop;
    assert_int_equal(pipeline_plan(&pipeline, &request.request, &request.resources, &err), STATUS_OK);
    atomic_store(&stop, 15);
    assert_int_equal(pipeline_run(&pipeline, &request.request, &request.resources, &err), STATUS_CANCELLED);
    pipeline_free(&pipeline);
    assert_int_equal(file_stat(OUT, NULL), FILE_ABSENT);
    assert_int_equal(file_stat(STAGING, NULL), FILE_ABSENT);
    assert_int_equal(convert(&request, &err), STATUS_CANCELLED); /* while it surveys */
}

/* --- a disk that lies -------------------------------------------------------------------------------------------------------------- */

/* Flips one bit of the one write that covers byte `at` of a weight file. */
static ssize_t lying_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    const off_t at = *(const off_t *)context;
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, data, size);
    if (size > 256 && at >= offset && at - offset < (off_t)size)
        copy[at - offset] ^= 4;
    const ssize_t result = file_posix.pwrite(NULL, fd, copy, size, offset);
    free(copy);
    return result;
}

static void verify_finds_what_the_disk_changed(void **state)
{
    (void)state;
    struct case_request request;
    struct pipeline pipeline;
    struct err err;
    off_t at = 0;
    take(&request, SYMMETRIC, "awq")->request.verify = true;
    assert_int_equal(pipeline_plan(&pipeline, &request.request, &request.resources, &err), STATUS_OK);
    for (size_t i = 0; i < pipeline.plan.tensor_count; i++)
        if (pipeline.plan.tensor[i].step == STEP_CODES && pipeline.plan.tensor[i].bytes > 2048)
            at = (off_t)(pipeline.plan.tensor[i].offset + 100);
    assert_true(at > 0);
    struct file_ops ops = file_posix;
    ops.context = &at;
    ops.pwrite = lying_pwrite;
    request.resources.ops = &ops;
    assert_int_equal(pipeline_run(&pipeline, &request.request, &request.resources, &err), STATUS_DIFFERS);
    assert_non_null(strstr(err.what, "differs from the source"));
    pipeline_free(&pipeline);
    assert_int_equal(file_stat(OUT, NULL), FILE_ABSENT);
    assert_int_equal(file_stat(STAGING, NULL), FILE_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_plan_knows_everything_and_writes_nothing, clear_place),
        cmocka_unit_test_setup(a_run_makes_what_was_planned, clear_place),
        cmocka_unit_test_setup(one_file_without_a_directory, clear_place),
        cmocka_unit_test_setup(statuses_of_refusals, clear_place),
        cmocka_unit_test_setup(the_source_is_never_the_destination, clear_place),
        cmocka_unit_test_setup(a_signal_stops_a_run, clear_place),
        cmocka_unit_test_setup(verify_finds_what_the_disk_changed, clear_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
