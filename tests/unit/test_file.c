#include "base/file.h"

#include "base/tree.h"
#include "fault.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define PLACE "file.tmp"

/* Stands in for libc's: a file system that knows no flags, on request. */
static int flags_error;
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (flags_error != 0 && flags != 0) {
        errno = flags_error;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

static int start(void **state)
{
    (void)state;
    flags_error = 0;
    return tree_remove(&file_posix, PLACE, NULL) == STATUS_OK ? mkdir(PLACE, 0777) : -1;
}

static void put(const char *path, const char *content)
{
    struct err err;
    assert_int_equal(file_spill(&file_posix, path, content, strlen(content), &err), STATUS_OK);
}

static void check_content(const char *path, const char *expected)
{
    struct text text = {0};
    struct err err;
    assert_int_equal(file_slurp(&file_posix, path, 1000, &text, &err), STATUS_OK);
    assert_int_equal(text.size, strlen(expected));
    assert_string_equal(text.data, expected);
    text_free(&text);
}

static void check_err(const struct err *err, enum status status, const char *where, const char *part)
{
    assert_int_equal(err->status, status);
    assert_string_equal(err->where, where);
    if (strstr(err->what, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err->what, part);
}

/* --- opening and creating ------------------------------------------------------------------------------------------------------ */

static void open_reads_what_was_created(void **state)
{
    (void)state;
    struct file file;
    struct err err;
    char data[8];
    const mode_t before = umask(027);
    const enum status created = file_create(&file, &file_posix, PLACE "/a", &err);
    (void)umask(before);
    assert_int_equal(created, STATUS_OK);
    assert_string_equal(file.path, PLACE "/a");
    assert_int_equal(file_write(&file, "world", 5, 6, &err), STATUS_OK);
    assert_int_equal(file_write(&file, "hello ", 6, 0, &err), STATUS_OK);
    file_begin_sync(&file, 0, 11);
    assert_int_equal(file_sync(&file, &err), STATUS_OK);
    assert_int_equal(file_read(&file, data, 4, 7, &err), STATUS_OK); /* what is being written can be read */
    assert_memory_equal(data, "orld", 4);
    assert_int_equal(file_close(&file, &err), STATUS_OK);
    assert_int_equal(file.fd, -1);
    assert_int_equal(file_close(&file, &err), STATUS_OK);
    file_begin_sync(&file, 0, 11); /* a hint, closed or not */
    struct stat info;
    assert_int_equal(stat(PLACE "/a", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(file_open_read(&file, &file_posix, PLACE "/a", &err), STATUS_OK);
    assert_int_equal(file.bytes, 11);
    assert_int_equal(fcntl(file.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    const int fd = file.fd;
    file_drop(&file);
    file_drop(&file);
    assert_int_equal(file.fd, -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    check_content(PLACE "/a", "hello world");
}

static void open_follows_links(void **state)
{
    (void)state;
    put(PLACE "/a", "abc");
    assert_int_equal(symlink("a", PLACE "/link"), 0);
    check_content(PLACE "/link", "abc");
}

/* A FIFO would block an ordinary open for ever. */
static void open_refuses_what_is_no_file(void **state)
{
    (void)state;
    struct file file;
    struct err err;
    assert_int_equal(mkfifo(PLACE "/fifo", 0666), 0);
    static const char *const paths[] = {PLACE "/fifo", PLACE, "/dev/null"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(file_open_read(&file, &file_posix, paths[i], &err), STATUS_IO);
        check_err(&err, STATUS_IO, paths[i], "cannot open: found something else");
        assert_int_equal(file.fd, -1);
    }
    assert_int_equal(file_open_read(&file, &file_posix, PLACE "/absent", &err), STATUS_IO);
    check_err(&err, STATUS_IO, PLACE "/absent", "cannot open: No such file");
    file_drop(&file);
}

static void create_never_replaces(void **state)
{
    (void)state;
    struct file file;
    struct err err;
    put(PLACE "/a", "mine");
    assert_int_equal(symlink("nowhere", PLACE "/dangling"), 0);
    assert_int_equal(file_create(&file, &file_posix, PLACE "/a", &err), STATUS_IO);
    check_err(&err, STATUS_IO, PLACE "/a", "cannot create: File exists");
    assert_int_equal(file.fd, -1);
    assert_int_equal(file_create(&file, &file_posix, PLACE "/dangling", &err), STATUS_IO);
    assert_int_equal(file_stat(PLACE "/nowhere", NULL), FILE_ABSENT);
    assert_int_equal(file_spill(&file_posix, PLACE "/a", "other", 5, &err), STATUS_IO);
    check_content(PLACE "/a", "mine");
}

/* --- reading and writing ------------------------------------------------------------------------------------------------------- */

static void read_stops_at_the_end(void **state)
{
    (void)state;
    struct file file;
    struct err err;
    char data[16];
    put(PLACE "/a", "0123456789");
    assert_int_equal(file_open_read(&file, &file_posix, PLACE "/a", &err), STATUS_OK);
    assert_int_equal(file_read(&file, data, 10, 0, &err), STATUS_OK);
    assert_int_equal(file_read(&file, data, 0, 99, &err), STATUS_OK); /* nothing is everywhere */
    assert_int_equal(file_read(&file, data, 4, 7, &err), STATUS_CORRUPT);
    check_err(&err, STATUS_CORRUPT, PLACE "/a", "truncated while reading: found the end at byte 10, expected 1 more");
    assert_int_equal(file_read(&file, data, 1, 50, &err), STATUS_CORRUPT);
    assert_int_equal(truncate(PLACE "/a", 5), 0); /* it shrinks under the reader */
    assert_int_equal(file_read(&file, data, 10, 0, &err), STATUS_CORRUPT);
    check_err(&err, STATUS_CORRUPT, PLACE "/a", "found the end at byte 5");
    assert_int_equal(file_read(&file, data, 4, UINT64_MAX - 8, &err), STATUS_IO); /* no offset of a file */
    file_drop(&file);
}

/* Short and interrupted calls are repeated, at the right place. */
static void short_calls_are_no_errors(void **state)
{
    (void)state;
    static const char content[] = "The quick brown fox jumps over the lazy dog";
    for (enum fault_op op = FAULT_PREAD; op <= FAULT_PWRITE; op++) {
        for (unsigned at = 1; at <= 5; at++) {
            struct fault fault = {.op = op, .at = at, .error_number = EINTR, .piece = 5};
            const struct file_ops ops = fault_ops(&fault);
            struct text text = {0};
            struct err err;
            assert_int_equal(file_spill(&ops, PLACE "/a", content, strlen(content), &err), STATUS_OK);
            assert_int_equal(file_slurp(&ops, PLACE "/a", 1000, &text, &err), STATUS_OK);
            assert_string_equal(text.data, content);
            assert_int_equal(atomic_load(&fault.calls), 10); /* 43 bytes by 5, one of them twice */
            assert_int_equal(atomic_load(&fault.moves), 19);
            text_free(&text);
            assert_int_equal(unlink(PLACE "/a"), 0);
        }
    }
}

static ssize_t write_nothing(void *context, int fd, const void *data, size_t size, off_t offset)
{
    (void)context, (void)fd, (void)data, (void)size, (void)offset;
    return 0;
}

static void failing_calls_are_io_errors(void **state)
{
    (void)state;
    static const struct {
        enum fault_op op;
        int error_number;
        const char *what;
    } cases[] = {
        {FAULT_OPEN, EMFILE, "cannot create: Too many open files"},
        {FAULT_PWRITE, ENOSPC, "cannot write 3 bytes at offset 0: No space left on device"},
        {FAULT_FSYNC, EIO, "cannot sync: Input/output error"},
        {FAULT_CLOSE, EDQUOT, "cannot close: Disk quota exceeded"},
    };
    struct err err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault fault = {.op = cases[i].op, .at = 1, .error_number = cases[i].error_number};
        const struct file_ops ops = fault_ops(&fault);
        (void)unlink(PLACE "/a");
        assert_int_equal(file_spill(&ops, PLACE "/a", "abc", 3, &err), STATUS_IO);
        check_err(&err, STATUS_IO, PLACE "/a", cases[i].what);
    }
    (void)unlink(PLACE "/a");
    struct file_ops ops = file_posix;
    ops.pwrite = write_nothing; /* would be tried for ever */
    assert_int_equal(file_spill(&ops, PLACE "/a", "abc", 3, &err), STATUS_IO);
    (void)unlink(PLACE "/a");
    put(PLACE "/a", "abc");
    struct fault fault = {.op = FAULT_PREAD, .at = 1, .error_number = EIO};
    ops = fault_ops(&fault);
    struct text text = {0};
    assert_int_equal(file_slurp(&ops, PLACE "/a", 1000, &text, &err), STATUS_IO);
    check_err(&err, STATUS_IO, PLACE "/a", "cannot read 3 bytes at offset 0: Input/output error");
    assert_null(text.data);
}

/* A file is as long as its room, and zeros. */
static void room_is_taken(void **state)
{
    (void)state;
    static const int error_number[] = {0, EINTR, ENOSPC};
    char data[100], zeros[100] = {0};
    for (size_t i = 0; i < sizeof error_number / sizeof error_number[0]; i++) {
        struct fault fault = {.op = FAULT_ALLOCATE, .at = error_number[i] != 0, .error_number = error_number[i]};
        const struct file_ops ops = fault_ops(&fault);
        struct file file;
        struct err err;
        (void)unlink(PLACE "/a");
        assert_int_equal(file_create(&file, &ops, PLACE "/a", &err), STATUS_OK);
        assert_int_equal(file_allocate(&file, 0, &err), STATUS_OK); /* no call: fallocate knows no room of nothing */
        if (error_number[i] == ENOSPC) {
            assert_int_equal(file_allocate(&file, 100, &err), STATUS_IO);
            check_err(&err, STATUS_IO, PLACE "/a", "cannot take room for 100 bytes: No space left on device");
        } else {
            uint64_t bytes = 0;
            assert_int_equal(file_allocate(&file, 100, &err), STATUS_OK);
            assert_int_equal(file_stat(PLACE "/a", &bytes), FILE_REGULAR);
            assert_int_equal(bytes, 100);
            assert_int_equal(file_read(&file, data, 100, 0, &err), STATUS_OK);
            assert_memory_equal(data, zeros, 100);
        }
        assert_int_equal(file_close(&file, &err), STATUS_OK);
    }
}

/* Every call that fails is reported, and no descriptor stays open. */
static void faults_leave_no_descriptor(void **state)
{
    (void)state;
    put(PLACE "/old", "0123456789");
    const int lowest = open("/dev/null", O_RDONLY);
    assert_true(lowest >= 0 && close(lowest) == 0);
    for (enum fault_op op = FAULT_OPEN; op <= FAULT_FSYNC; op++) {
        for (unsigned n = 1;; n++) {
            struct fault fault = {.op = op, .at = n, .error_number = EIO, .piece = 4};
            const struct file_ops ops = fault_ops(&fault);
            struct text text = {0};
            struct err err;
            (void)unlink(PLACE "/new");
            enum status status = file_slurp(&ops, PLACE "/old", 100, &text, &err);
            const bool reading_closed = status == STATUS_OK && op == FAULT_CLOSE && n == 1; /* after reading: no loss */
            if (status == STATUS_OK)
                status = file_spill(&ops, PLACE "/new", text.data, text.size, &err);
            if (status == STATUS_OK)
                status = file_sync_dir(&ops, PLACE, &err);
            text_free(&text);
            const int fd = open("/dev/null", O_RDONLY);
            assert_int_equal(fd, lowest);
            (void)close(fd);
            if (atomic_load(&fault.calls) < n) {
                assert_int_equal(status, STATUS_OK);
                assert_true(n > 1);
                break;
            }
            const bool directory_closed = op == FAULT_CLOSE && n == 3;
            assert_int_equal(status, reading_closed || directory_closed ? STATUS_OK : STATUS_IO);
        }
    }
}

static void slurp_is_bounded(void **state)
{
    (void)state;
    struct text text = {0};
    struct err err;
    put(PLACE "/a", "0123456789");
    put(PLACE "/empty", "");
    assert_int_equal(file_slurp(&file_posix, PLACE "/a", 10, &text, &err), STATUS_OK);
    assert_string_equal(text.data, "0123456789");
    text_string(&text, "x"); /* goes on as any text */
    assert_string_equal(text.data, "0123456789x");
    assert_int_equal(file_slurp(&file_posix, PLACE "/empty", 0, &text, &err), STATUS_OK); /* replaces */
    assert_int_equal(text.size, 0);
    assert_string_equal(text.data, "");
    assert_int_equal(file_slurp(&file_posix, PLACE "/a", 9, &text, &err), STATUS_LIMIT);
    check_err(&err, STATUS_LIMIT, PLACE "/a", "found 10 bytes, expected at most 9");
    assert_int_equal(file_slurp(&file_posix, PLACE "/absent", 9, &text, &err), STATUS_IO);
    text_free(&text);
}

/* --- names --------------------------------------------------------------------------------------------------------------------- */

static void rename_never_replaces(void **state)
{
    (void)state;
    put(PLACE "/a", "a");
    put(PLACE "/b", "b");
    assert_int_equal(symlink("nowhere", PLACE "/dangling"), 0);
    static const int errors[] = {0, EINVAL, ENOSYS}; /* with the kernel's flags, and without */
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        flags_error = errors[i];
        errno = 0;
        assert_int_equal(file_posix.rename(NULL, PLACE "/a", PLACE "/b", false), -1);
        assert_int_equal(errno, EEXIST);
        errno = 0;
        assert_int_equal(file_posix.rename(NULL, PLACE "/a", PLACE "/dangling", false), -1);
        assert_int_equal(errno, EEXIST);
        assert_int_equal(file_posix.rename(NULL, PLACE "/a", PLACE "/c", false), 0);
        check_content(PLACE "/c", "a");
        assert_int_equal(file_stat(PLACE "/a", NULL), FILE_ABSENT);
        assert_int_equal(file_posix.rename(NULL, PLACE "/absent", PLACE "/d", false), -1);
        assert_int_equal(errno, ENOENT);
        assert_int_equal(file_posix.rename(NULL, PLACE "/c", PLACE "/a", false), 0);
        check_content(PLACE "/b", "b");
    }
    flags_error = EACCES; /* no reason to do it in two steps */
    assert_int_equal(file_posix.rename(NULL, PLACE "/a", PLACE "/c", false), -1);
    assert_int_equal(errno, EACCES);
}

static void exchange_swaps(void **state)
{
    (void)state;
    put(PLACE "/a", "a");
    assert_int_equal(mkdir(PLACE "/d", 0777), 0);
    put(PLACE "/d/b", "b");
    assert_int_equal(file_posix.rename(NULL, PLACE "/a", PLACE "/d", true), 0);
    check_content(PLACE "/d", "a");
    check_content(PLACE "/a/b", "b");
    assert_int_equal(file_posix.rename(NULL, PLACE "/a", PLACE "/absent", true), -1);
    assert_int_equal(errno, ENOENT);
    flags_error = EINVAL; /* there is no safe way to do it in two steps */
    assert_int_equal(file_posix.rename(NULL, PLACE "/a", PLACE "/d", true), -1);
    assert_int_equal(errno, EINVAL);
    check_content(PLACE "/d", "a");
}

static void remaining_operations(void **state)
{
    (void)state;
    put(PLACE "/a", "abcdef");
    const int fd = file_posix.open(NULL, PLACE "/a", O_RDWR, 0);
    assert_true(fd >= 0);
    assert_int_equal(file_posix.close(NULL, fd), 0);
    assert_int_equal(file_posix.allocate(NULL, -1, 2), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(file_posix.mkdir(NULL, PLACE "/d", 0777), 0);
    assert_int_equal(file_posix.mkdir(NULL, PLACE "/d", 0777), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(file_posix.unlink(NULL, PLACE "/a"), 0);
    assert_int_equal(file_posix.unlink(NULL, PLACE "/a"), -1);
    assert_int_equal(file_posix.rmdir(NULL, PLACE "/d"), 0);
    assert_int_equal(file_posix.rmdir(NULL, PLACE "/d"), -1);
}

static void stat_tells_kinds(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    put(PLACE "/a", "abc");
    assert_int_equal(symlink("a", PLACE "/link"), 0);
    assert_int_equal(symlink("nowhere", PLACE "/dangling"), 0);
    assert_int_equal(file_stat(PLACE "/a", &bytes), FILE_REGULAR);
    assert_int_equal(bytes, 3);
    assert_int_equal(file_stat(PLACE "/link", NULL), FILE_REGULAR);
    assert_int_equal(file_stat(PLACE, NULL), FILE_DIRECTORY);
    assert_int_equal(file_stat("/dev/null", NULL), FILE_OTHER);
    assert_int_equal(file_stat(PLACE "/dangling", &bytes), FILE_ABSENT);
    assert_int_equal(file_stat(PLACE "/absent", &bytes), FILE_ABSENT);
    assert_int_equal(bytes, 3);
    assert_true(file_same(PLACE "/a", PLACE "/../" PLACE "/link"));
    assert_true(file_same(PLACE, PLACE "/."));
    assert_false(file_same(PLACE, PLACE "/a"));
    assert_false(file_same(PLACE "/absent", PLACE "/absent"));
}

static void inside_resolves_paths(void **state)
{
    (void)state;
    assert_int_equal(mkdir(PLACE "/d", 0777), 0);
    assert_int_equal(mkdir(PLACE "/d/e", 0777), 0);
    assert_int_equal(mkdir(PLACE "/dd", 0777), 0);
    assert_int_equal(symlink("d/e", PLACE "/link"), 0);
    put(PLACE "/file", "");
    assert_true(file_inside(PLACE "/d/new", PLACE "/d"));
    assert_true(file_inside(PLACE "/d/new///", PLACE "/d"));
    assert_true(file_inside(PLACE "/d/e/new", PLACE "/d/"));
    assert_true(file_inside(PLACE "/link/new", PLACE "/d"));
    assert_true(file_inside(PLACE "/dd/../d/new", PLACE "/d"));
    assert_true(file_inside("new", "."));
    assert_true(file_inside("/new", "/"));
    assert_true(file_inside(PLACE "/new", "/"));
    assert_false(file_inside(PLACE "/d", PLACE "/d")); /* itself is not below itself */
    assert_false(file_inside(PLACE "/dd/new", PLACE "/d"));
    assert_false(file_inside(PLACE "/d/../new", PLACE "/d"));
    assert_false(file_inside(PLACE "/new", PLACE "/d"));
    assert_false(file_inside(PLACE "/absent/new", PLACE));
    assert_false(file_inside(PLACE "/new", PLACE "/file"));
    assert_false(file_inside(PLACE "/new", PLACE "/absent"));
}

static void directories_are_synced(void **state)
{
    (void)state;
    struct err err;
    put(PLACE "/a", "");
    assert_int_equal(file_sync_dir(&file_posix, PLACE, &err), STATUS_OK);
    assert_int_equal(file_sync_dir(&file_posix, PLACE "/a", &err), STATUS_IO);
    check_err(&err, STATUS_IO, PLACE "/a", "cannot open");
    struct fault fault = {.op = FAULT_FSYNC, .at = 1, .error_number = EIO};
    struct file_ops ops = fault_ops(&fault);
    assert_int_equal(file_sync_dir(&ops, PLACE, &err), STATUS_IO);
    check_err(&err, STATUS_IO, PLACE, "cannot sync: Input/output error");
    fault = (struct fault){.op = FAULT_FSYNC, .at = 1, .error_number = EINVAL}; /* a file system that cannot */
    assert_int_equal(file_sync_dir(&ops, PLACE, &err), STATUS_OK);
    assert_int_equal(atomic_load(&fault.calls), 1);
}

/* Free space moves while others write: a known path must be known, and an absent one with a parent as well. */
static void free_bytes_of_the_parent(void **state)
{
    (void)state;
    assert_true(file_free_bytes(PLACE) != UINT64_MAX);
    assert_true(file_free_bytes(PLACE "/absent") != UINT64_MAX);
    assert_true(file_free_bytes(PLACE "/absent//") != UINT64_MAX);
    assert_true(file_free_bytes("absent") != UINT64_MAX);
    assert_true(file_free_bytes("/absent") != UINT64_MAX);
    assert_true(file_free_bytes("absent/") != UINT64_MAX);
    assert_true(file_free_bytes(PLACE "/absent/deeper") == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(open_reads_what_was_created, start),
        cmocka_unit_test_setup(open_follows_links, start),
        cmocka_unit_test_setup(open_refuses_what_is_no_file, start),
        cmocka_unit_test_setup(create_never_replaces, start),
        cmocka_unit_test_setup(read_stops_at_the_end, start),
        cmocka_unit_test_setup(short_calls_are_no_errors, start),
        cmocka_unit_test_setup(failing_calls_are_io_errors, start),
        cmocka_unit_test_setup(room_is_taken, start),
        cmocka_unit_test_setup(faults_leave_no_descriptor, start),
        cmocka_unit_test_setup(slurp_is_bounded, start),
        cmocka_unit_test_setup(rename_never_replaces, start),
        cmocka_unit_test_setup(exchange_swaps, start),
        cmocka_unit_test_setup(remaining_operations, start),
        cmocka_unit_test_setup(stat_tells_kinds, start),
        cmocka_unit_test_setup(inside_resolves_paths, start),
        cmocka_unit_test_setup(directories_are_synced, start),
        cmocka_unit_test_setup(free_bytes_of_the_parent, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
