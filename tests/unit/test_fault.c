/* The Nth call of each file operation fails, for every N: the destination stays absent or is complete, the staging area is gone, the input is as it
 * was, and a clean run succeeds afterwards. */
#include "base/text.h"
#include "base/tree.h"
#include "plan/pipeline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

enum operation { OP_OPEN, OP_CLOSE, OP_PREAD, OP_PWRITE, OP_FSYNC, OP_ALLOCATE, OP_MKDIR, OP_RENAME, OP_UNLINK, OP_RMDIR, OP_COUNT };
static const char *const operation_name[OP_COUNT] = {"open", "close", "pread", "pwrite", "fsync", "allocate", "mkdir", "rename", "unlink", "rmdir"};

/* Wraps file_posix; one run at a time, from several threads. */
struct faults {
    enum operation operation;
    unsigned fail_at;     /* 1: the first call; 0: none */
    bool forever;         /* the calls after it fail as well */
    bool stutter;         /* every second read and write is short or interrupted */
    int error_number;
    atomic_uint calls;    /* of that operation */
    atomic_uint all;      /* reads and writes */
    atomic_bool renamed;  /* a rename has succeeded: what it did stands */
    bool failed_after_rename;
};

static bool fails(void *context, enum operation operation)
{
    struct faults *faults = context;
    if (operation != faults->operation)
        return false;
    const unsigned call = atomic_fetch_add(&faults->calls, 1) + 1;
    if (faults->fail_at == 0 || (call != faults->fail_at && !(faults->forever && call > faults->fail_at)))
        return false;
    faults->failed_after_rename = atomic_load(&faults->renamed);
    errno = faults->error_number;
    return true;
}

static int fault_open(void *context, const char *path, int flags, mode_t mode)
{
    return fails(context, OP_OPEN) ? -1 : file_posix.open(NULL, path, flags, mode);
}

static int fault_close(void *context, int fd)
{
    const bool failing = fails(context, OP_CLOSE);
    const int result = file_posix.close(NULL, fd); /* Linux frees the descriptor in any case */
    if (failing)
        errno = ((struct faults *)context)->error_number;
    return failing ? -1 : result;
}

/* True if this call is to end early: by EINTR (*size 0) or after fewer bytes. */
static bool stutters(void *context, size_t *size)
{
    struct faults *faults = context;
    if (!faults->stutter)
        return false;
    const unsigned call = atomic_fetch_add(&faults->all, 1);
    if (call % 3 == 1 && *size > 1)
        *size = *size / 2;
    errno = EINTR;
    return call % 3 == 0;
}

static ssize_t fault_pread(void *context, int fd, void *data, size_t size, off_t offset)
{
    return stutters(context, &size) || fails(context, OP_PREAD) ? -1 : file_posix.pread(NULL, fd, data, size, offset);
}

static ssize_t fault_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    return stutters(context, &size) || fails(context, OP_PWRITE) ? -1 : file_posix.pwrite(NULL, fd, data, size, offset);
}

static int fault_fsync(void *context, int fd)
{
    (void)fd; /* the disk itself is not under test */
    return fails(context, OP_FSYNC) ? -1 : 0;
}

static int fault_allocate(void *context, int fd, off_t size)
{
    return fails(context, OP_ALLOCATE) ? -1 : file_posix.allocate(NULL, fd, size);
}

static int fault_mkdir(void *context, const char *path, mode_t mode)
{
    return fails(context, OP_MKDIR) ? -1 : file_posix.mkdir(NULL, path, mode);
}

static int fault_rename(void *context, const char *from, const char *to, bool exchange)
{
    if (fails(context, OP_RENAME))
        return -1;
    const int result = file_posix.rename(NULL, from, to, exchange);
    if (result == 0)
        atomic_store(&((struct faults *)context)->renamed, true);
    return result;
}

static int fault_unlink(void *context, const char *path)
{
    return fails(context, OP_UNLINK) ? -1 : file_posix.unlink(NULL, path);
}

static int fault_rmdir(void *context, const char *path)
{
    return fails(context, OP_RMDIR) ? -1 : file_posix.rmdir(NULL, path);
}

static struct file_ops faulty(struct faults *faults)
{
    return (struct file_ops){faults, fault_open, fault_close, fault_pread, fault_pwrite, fault_fsync,
                             fault_allocate, fault_mkdir, fault_rename, fault_unlink, fault_rmdir};
}

/* --- what lies on the disk ------------------------------------------------------------------------------------------------------ */

/* FNV-1a over names and bytes of every file below dir; 0 if there is no such directory. */
static uint64_t tree_print(const char *dir)
{
    struct arena arena = {0};
    struct tree_list list;
    struct err err;
    uint64_t print = UINT64_C(14695981039346656037);
    if (file_stat(dir, NULL) != FILE_DIRECTORY)
        return 0;
    assert_int_equal(tree_list(dir, &arena, &list, &err), STATUS_OK);
    for (size_t i = 0; i < list.count; i++) {
        struct text text = {0};
        const char *path = arena_format(&arena, &err, "%s/%s", dir, list.entry[i].name);
        assert_non_null(path);
        assert_int_equal(file_slurp(&file_posix, path, UINT64_C(1) << 30, &text, &err), STATUS_OK);
        for (const char *name = list.entry[i].name; *name != '\0'; name++)
            print = (print ^ (uint8_t)*name) * UINT64_C(1099511628211);
        for (size_t k = 0; k < text.size; k++)
            print = (print ^ (uint8_t)text.data[k]) * UINT64_C(1099511628211);
        text_free(&text);
    }
    arena_free(&arena);
    return print;
}

static size_t names_in(const char *dir)
{
    size_t count = 0;
    DIR *stream = opendir(dir);
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(stream);
    return count;
}

static size_t open_descriptors(void)
{
    return names_in("/proc/self/fd");
}

#define PLACE "fault.tmp"
#define OUT PLACE "/out"
#define STAGING PLACE "/.out.repaq-staging"

static void clear_place(void)
{
    assert_int_equal(tree_remove(&file_posix, PLACE, NULL), STATUS_OK);
    assert_int_equal(mkdir(PLACE, 0777), 0);
}

/* --- runs ------------------------------------------------------------------------------------------------------------------------- */

struct scene {
    char source[1024];
    const struct format *target;
    bool force, verify;
    enum dtype dtype;
    unsigned stride;     /* > 0: of the reads after the first ones only every so many fail */
    uint64_t shard_bytes;
    uint64_t source_print, complete; /* of the input, and of a clean run's output */
};

static enum status run(const struct scene *scene, const struct file_ops *ops, struct err *err)
{
    struct pipeline pipeline;
    const struct request request = {.source = scene->source, .destination = OUT, .target = scene->target, .directory = true, .force = scene->force,
                                    .verify = scene->verify, .options = {.dtype = scene->dtype, .shard_bytes_max = scene->shard_bytes}};
    const struct resources resources = {ops, 2, UINT64_C(64) << 20, NULL};
    *err = (struct err){0};
    enum status status = pipeline_plan(&pipeline, &request, &resources, err);
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request, &resources, err);
    pipeline_free(&pipeline);
    return status;
}

static void start(struct scene *scene, const char *fixture, const char *target)
{
    const char *fixtures = getenv("REPAQ_FIXTURES");
    struct err err;
    assert_non_null(fixtures);
    (void)snprintf(scene->source, sizeof scene->source, "%s/%s", fixtures, fixture);
    scene->target = registry_find(target);
    scene->source_print = tree_print(scene->source);
    assert_int_not_equal(scene->source_print, 0);
    clear_place();
    assert_int_equal(run(scene, &file_posix, &err), STATUS_OK);
    scene->complete = tree_print(OUT);
    assert_int_not_equal(scene->complete, 0);
    assert_int_equal(names_in(PLACE), 1);
}

static void put_old_destination(void)
{
    struct err err;
    assert_int_equal(mkdir(OUT, 0777), 0);
    assert_int_equal(file_spill(&file_posix, OUT "/mine", "old", 3, &err), STATUS_OK);
}

static void explain(const struct faults *faults, enum status status, const struct err *err, const char *what)
{
    print_error("%s call %u fails: %s (status %d: %s: %s)\n", operation_name[faults->operation], faults->fail_at, what, (int)status, err->where, err->what);
}

/* The state after one run with a fault. False, and a line of explanation, where it is not as promised. */
static bool check_state(const struct scene *scene, const struct faults *faults, enum status status, const struct err *err, uint64_t old)
{
    const uint64_t now = tree_print(OUT);
    const bool removal = faults->operation == OP_UNLINK || faults->operation == OP_RMDIR;
    const bool left_alone = now == old, committed = now == scene->complete && (status == STATUS_OK || faults->failed_after_rename);
    if (status != STATUS_OK && status != STATUS_IO) {
        explain(faults, status, err, "expected an I/O error");
        return false;
    }
    if (status != STATUS_OK && (err->where[0] == '\0' || err->what[0] == '\0')) {
        explain(faults, status, err, "expected a message");
        return false;
    }
    if (!(status == STATUS_OK ? committed : left_alone || committed)) {
        explain(faults, status, err, "the destination is neither as it was nor complete");
        return false;
    }
    if (!removal && file_stat(STAGING, NULL) != FILE_ABSENT) {
        explain(faults, status, err, "the staging area stays");
        return false;
    }
    if (removal && status == STATUS_OK && file_stat(STAGING, NULL) != FILE_ABSENT) {
        explain(faults, status, err, "the staging area stays, and nobody says so");
        return false;
    }
    if (tree_print(scene->source) != scene->source_print) {
        explain(faults, status, err, "the input was changed");
        return false;
    }
    return true;
}

/* Every call of one operation fails once. Returns the number of bad outcomes. */
static unsigned fail_each(const struct scene *scene, enum operation operation, bool forever)
{
    unsigned bad = 0, failed = 0;
    for (unsigned n = 1;; n += scene->stride > 0 && n > 8 && operation == OP_PREAD ? scene->stride : 1) {
        struct faults faults = {.operation = operation, .fail_at = n, .forever = forever, .error_number = operation == OP_PWRITE || operation == OP_ALLOCATE ? ENOSPC : EIO};
        const struct file_ops ops = faulty(&faults);
        struct err err;
        clear_place();
        if (scene->force)
            put_old_destination();
        const uint64_t old = tree_print(OUT);
        const size_t descriptors = open_descriptors();
        const enum status status = run(scene, &ops, &err);
        if (open_descriptors() != descriptors) {
            explain(&faults, status, &err, "descriptors leak");
            bad++;
        }
        bad += !check_state(scene, &faults, status, &err, old);
        if (atomic_load(&faults.calls) < n) {
            assert_int_equal(status, STATUS_OK); /* nothing has failed */
            break;
        }
        failed += status != STATUS_OK;
        struct scene again = *scene;
        again.force = true;
        if (run(&again, &file_posix, &err) != STATUS_OK || tree_print(OUT) != scene->complete || names_in(PLACE) != 1) {
            explain(&faults, status, &err, "a clean run afterwards does not succeed");
            bad++;
        }
    }
    print_message("%s: %u failed runs\n", operation_name[operation], failed);
    if (operation != OP_UNLINK && operation != OP_RMDIR)
        assert_int_not_equal(failed, 0); /* the fault must have been felt */
    return bad;
}

static void each_operation_fails(const struct scene *scene, bool forever)
{
    unsigned bad = 0;
    for (enum operation operation = OP_OPEN; operation < OP_COUNT; operation++)
        bad += fail_each(scene, operation, forever);
    assert_int_equal(bad, 0);
}

static void faults_in_a_conversion_leave_nothing(void **state)
{
    (void)state;
    struct scene scene = {.dtype = DTYPE_NONE, .shard_bytes = 20000};
    start(&scene, "msmodelslim/edge-w4a16-g32-sym-zeros-safe", "awq");
    each_operation_fails(&scene, false);
}

static void faults_that_persist_leave_nothing(void **state)
{
    (void)state;
    struct scene scene = {.dtype = DTYPE_NONE, .shard_bytes = 20000};
    start(&scene, "msmodelslim/edge-w4a16-chan-asym-zeros-safe", "gptq_v2");
    for (enum operation operation = OP_PREAD; operation <= OP_FSYNC; operation++)
        assert_int_equal(fail_each(&scene, operation, true), 0);
}

static void faults_with_force_keep_the_old_destination(void **state)
{
    (void)state;
    struct scene scene = {.dtype = DTYPE_NONE, .force = true};
    start(&scene, "msmodelslim/edge-w4a16-g32-sym-zeros-safe", "awq");
    each_operation_fails(&scene, false);
}

static void faults_while_verifying_leave_nothing(void **state)
{
    (void)state;
    struct scene scene = {.dtype = DTYPE_NONE, .verify = true};
    start(&scene, "msmodelslim/edge-w4a16-g32-sym-zeros-safe", "gptq");
    assert_int_equal(fail_each(&scene, OP_OPEN, false) + fail_each(&scene, OP_PREAD, false), 0);
}

static void faults_between_newer_formats_leave_nothing(void **state)
{
    static const struct {
        const char *fixture, *target;
        enum dtype dtype;
    } routes[] = {{"compressed_tensors/ct-qwen2-w4a16-awq-g64-asym", "mlx", DTYPE_F32}, {"mlx/mlx-qwen2-4bit-g64", "hf", DTYPE_NONE}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct scene scene = {.dtype = routes[i].dtype, .stride = 23, .verify = i == 1};
        start(&scene, routes[i].fixture, routes[i].target);
        for (enum operation operation = OP_OPEN; operation < OP_COUNT; operation++)
            assert_int_equal(fail_each(&scene, operation, false), 0);
    }
}

/* Short reads and writes, and interrupted ones, are no errors. */
static void stuttering_files_are_read_and_written(void **state)
{
    (void)state;
    struct scene scene = {.dtype = DTYPE_NONE, .verify = true};
    start(&scene, "msmodelslim/edge-w4a16-chan-asym-zeros-safe", "awq");
    clear_place();
    struct faults faults = {.operation = OP_COUNT, .stutter = true};
    const struct file_ops ops = faulty(&faults);
    struct err err;
    assert_int_equal(run(&scene, &ops, &err), STATUS_OK);
    assert_true(tree_print(OUT) == scene.complete);
    assert_true(atomic_load(&faults.all) > 100);
}

/* A staging area that another run holds is left alone; what a dead run left is removed. */
static void staging_of_another_run(void **state)
{
    (void)state;
    struct scene scene = {.dtype = DTYPE_NONE};
    struct err err;
    struct arena arena = {0};
    struct staging other;
    start(&scene, "msmodelslim/edge-w4a16-g32-sym-zeros-safe", "awq");
    clear_place();
    assert_int_equal(staging_open(&other, &file_posix, OUT, false, &arena, &err), STATUS_OK);
    assert_int_equal(run(&scene, &file_posix, &err), STATUS_IO);
    assert_non_null(strstr(err.what, "another run"));
    assert_true(err.remedy[0] != '\0');
    assert_int_equal(file_stat(STAGING, NULL), FILE_DIRECTORY);
    staging_drop(&other);
    arena_free(&arena);
    assert_int_equal(mkdir(STAGING, 0777), 0);
    assert_int_equal(mkdir(STAGING "/deep", 0777), 0);
    assert_int_equal(file_spill(&file_posix, STAGING "/deep/stale.safetensors", "stale", 5, &err), STATUS_OK);
    assert_int_equal(run(&scene, &file_posix, &err), STATUS_OK);
    assert_true(tree_print(OUT) == scene.complete);
    assert_int_equal(names_in(PLACE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_in_a_conversion_leave_nothing),
        cmocka_unit_test(faults_that_persist_leave_nothing),
        cmocka_unit_test(faults_with_force_keep_the_old_destination),
        cmocka_unit_test(faults_while_verifying_leave_nothing),
        cmocka_unit_test(faults_between_newer_formats_leave_nothing),
        cmocka_unit_test(stuttering_files_are_read_and_written),
        cmocka_unit_test(staging_of_another_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
