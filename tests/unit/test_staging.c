#include "base/staging.h"

#include "base/tree.h"
#include "fault.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define PLACE "staging.tmp"
#define OUT PLACE "/out"
#define AREA PLACE "/.out.repaq-staging"

/* Stands in for libc's: a file system without locks, on request. */
static int flock_error;
int flock(int fd, int operation)
{
    if (flock_error != 0) {
        errno = flock_error;
        return -1;
    }
    return (int)syscall(SYS_flock, fd, operation);
}

struct scene {
    struct arena arena;
    struct staging staging;
    struct err err;
};

static int start(void **state)
{
    static struct scene scene;
    arena_free(&scene.arena);
    scene = (struct scene){0};
    *state = &scene;
    flock_error = 0;
    return tree_remove(&file_posix, PLACE, NULL) == STATUS_OK ? mkdir(PLACE, 0777) : -1;
}

static enum status open_area(struct scene *scene, const struct file_ops *ops, const char *destination, bool force)
{
    return staging_open(&scene->staging, ops, destination, force, &scene->arena, &scene->err);
}

static void put(const char *path, const char *content)
{
    struct err err;
    assert_int_equal(file_spill(&file_posix, path, content, strlen(content), &err), STATUS_OK);
}

static enum status stage(struct scene *scene, const struct file_ops *ops, const char *name, const char *content)
{
    const char *path = staging_path(&scene->staging, name, &scene->arena, &scene->err);
    return path == NULL ? scene->err.status : file_spill(ops, path, content, strlen(content), &scene->err);
}

static bool holds(const char *path, const char *expected)
{
    struct text text = {0};
    struct err err;
    const bool same = file_slurp(&file_posix, path, 1000, &text, &err) == STATUS_OK && strcmp(text.data, expected) == 0;
    text_free(&text);
    return same;
}

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static size_t names_in(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count - 2;
}

static void put_old_tree(void)
{
    assert_true(mkdir(OUT, 0777) == 0 && mkdir(OUT "/deep", 0777) == 0);
    put(OUT "/deep/old", "old");
}

static enum status seal(struct scene *scene, bool file)
{
    return file ? staging_seal_file(&scene->staging, "main", &scene->err) : staging_seal(&scene->staging, &scene->err);
}

/* A run that makes OUT a directory, or the file "main" of it. */
static enum status whole_run(struct scene *scene, const struct file_ops *ops, bool force, bool file)
{
    enum status status = open_area(scene, ops, OUT, force);
    if (status == STATUS_OK)
        status = stage(scene, ops, "sub/side", "side");
    if (status == STATUS_OK)
        status = stage(scene, ops, "main", "new");
    if (status == STATUS_OK)
        status = seal(scene, file);
    staging_drop(&scene->staging);
    return status;
}

/* True if such a run left its result, and nothing beside OUT but `others` names. */
static bool complete(bool file, size_t others)
{
    return holds(file ? OUT : OUT "/main", "new") && (file || holds(OUT "/sub/side", "side")) && !exists(OUT "/deep") &&
           names_in(PLACE) == 1 + others;
}

static void check_err(const struct err *err, enum status status, const char *where, const char *part)
{
    assert_int_equal(err->status, status);
    assert_string_equal(err->where, where);
    if (strstr(err->what, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err->what, part);
}

static void area_is_a_hidden_sibling(void **state)
{
    struct scene *scene = *state;
    static const char *const cases[][3] = { /* destination, parent, area */
        {OUT, PLACE, AREA},
        {OUT "//", PLACE, AREA},
        {PLACE "/./out", PLACE "/.", PLACE "/./.out.repaq-staging"},
        {"staging-leaf.tmp", ".", ".staging-leaf.tmp.repaq-staging"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(open_area(scene, &file_posix, cases[i][0], false), STATUS_OK);
        assert_string_equal(scene->staging.parent, cases[i][1]);
        assert_string_equal(scene->staging.dir, cases[i][2]);
        assert_int_equal(file_stat(cases[i][2], NULL), FILE_DIRECTORY);
        assert_false(exists(scene->staging.destination));
        staging_drop(&scene->staging);
        assert_false(exists(cases[i][2]));
        assert_int_equal(scene->staging.lock_fd, -1);
        staging_drop(&scene->staging);
    }
}

static void refused(struct scene *scene, const char *destination, const char *where, const char *part)
{
    struct err err = {0};
    assert_int_equal(open_area(scene, &file_posix, destination, false), STATUS_USAGE);
    check_err(&scene->err, STATUS_USAGE, where, part);
    staging_drop(&scene->staging); /* nothing to drop */
    assert_int_equal(staging_check(destination, false, &err), STATUS_USAGE);
    check_err(&err, STATUS_USAGE, where, part);
    assert_string_equal(err.remedy, scene->err.remedy);
}

static void bad_destinations_are_refused(void **state)
{
    struct scene *scene = *state;
    static const char *const nameless[] = {"", "/", "///", ".", "..", PLACE "/.", PLACE "/..", PLACE "/../"};
    for (size_t i = 0; i < sizeof nameless / sizeof nameless[0]; i++)
        refused(scene, nameless[i], "destination", "expected the name of a new");
    refused(scene, PLACE "/absent/out", PLACE "/absent", "expected the parent");
    put(PLACE "/file", "");
    refused(scene, PLACE "/file/out", PLACE "/file", "expected the parent");
    assert_int_equal(names_in(PLACE), 1);
}

static void existing_destinations_need_force(void **state)
{
    struct scene *scene = *state;
    put(PLACE "/file", "");
    assert_int_equal(mkdir(PLACE "/dir", 0777), 0);
    assert_int_equal(symlink("nowhere", PLACE "/dangling"), 0);
    static const char *const paths[] = {PLACE "/file", PLACE "/dir", PLACE "/dangling"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        refused(scene, paths[i], paths[i], "existing destination");
        assert_non_null(strstr(scene->err.remedy, "--force"));
        assert_int_equal(staging_check(paths[i], true, &scene->err), STATUS_OK);
        assert_int_equal(names_in(PLACE), 3);
        assert_int_equal(open_area(scene, &file_posix, paths[i], true), STATUS_OK);
        staging_drop(&scene->staging);
        assert_true(exists(paths[i]));
    }
    assert_int_equal(staging_check(OUT, false, &scene->err), STATUS_OK);
    assert_int_equal(names_in(PLACE), 3);
}

static void living_run_keeps_its_area(void **state)
{
    struct scene *scene = *state;
    struct staging other;
    assert_int_equal(open_area(scene, &file_posix, OUT, false), STATUS_OK);
    assert_int_equal(stage(scene, &file_posix, "a", "mine"), STATUS_OK);
    assert_int_equal(staging_open(&other, &file_posix, OUT, false, &scene->arena, &scene->err), STATUS_IO);
    check_err(&scene->err, STATUS_IO, AREA, "another run holds");
    assert_non_null(strstr(scene->err.remedy, OUT));
    staging_drop(&other);
    assert_true(holds(AREA "/a", "mine"));
    assert_int_equal(staging_seal(&scene->staging, &scene->err), STATUS_OK);
    assert_true(holds(OUT "/a", "mine"));
}

static void dead_run_is_cleared_away(void **state)
{
    struct scene *scene = *state;
    put(PLACE "/precious", "kept");
    assert_true(mkdir(AREA, 0777) == 0 && mkdir(AREA "/sub", 0777) == 0 && mkdir(AREA "/sub/deep", 0777) == 0);
    put(AREA "/sub/deep/stale", "x");
    put(AREA "/.hidden", "x");
    assert_int_equal(symlink("../precious", AREA "/link"), 0);
    assert_int_equal(open_area(scene, &file_posix, OUT, false), STATUS_OK);
    assert_int_equal(names_in(AREA), 0);
    assert_true(holds(PLACE "/precious", "kept"));
    staging_drop(&scene->staging);
}

/* Something else of the area's name is not ours to remove, and nothing is written through a link. */
static void strange_area_is_left_alone(void **state)
{
    struct scene *scene = *state;
    assert_true(mkdir(PLACE "/victim", 0777) == 0 && symlink("victim", AREA) == 0);
    put(PLACE "/victim/file", "kept");
    assert_int_equal(open_area(scene, &file_posix, OUT, true), STATUS_IO);
    check_err(&scene->err, STATUS_IO, AREA, "cannot open");
    staging_drop(&scene->staging);
    assert_true(holds(PLACE "/victim/file", "kept"));
    assert_int_equal(unlink(AREA), 0);
    put(AREA, "a file");
    assert_int_equal(open_area(scene, &file_posix, OUT, true), STATUS_IO);
    staging_drop(&scene->staging);
    assert_true(holds(AREA, "a file"));
}

static void locks_that_fail_leave_nothing(void **state)
{
    struct scene *scene = *state;
    flock_error = ENOLCK;
    assert_int_equal(open_area(scene, &file_posix, OUT, false), STATUS_IO);
    check_err(&scene->err, STATUS_IO, AREA, "cannot lock: No locks available");
    assert_false(exists(AREA));
    flock_error = EWOULDBLOCK; /* another run locked what this one made: it is the other's now */
    assert_int_equal(open_area(scene, &file_posix, OUT, false), STATUS_IO);
    check_err(&scene->err, STATUS_IO, AREA, "another run holds");
    assert_true(exists(AREA));
}

/* Another run removes the directory between this one's open and flock, so many times. */
struct vanishing {
    unsigned times, opens;
};

static int open_and_vanish(void *context, const char *path, int flags, mode_t mode)
{
    struct vanishing *vanishing = context;
    const int fd = file_posix.open(NULL, path, flags, mode);
    if (vanishing->opens++ < vanishing->times)
        assert_int_equal(rmdir(path), 0);
    return fd;
}

static void vanished_area_is_made_again(void **state)
{
    struct scene *scene = *state;
    struct vanishing vanishing = {.times = 3};
    struct file_ops ops = file_posix;
    ops.context = &vanishing;
    ops.open = open_and_vanish;
    assert_int_equal(open_area(scene, &ops, OUT, false), STATUS_OK);
    assert_int_equal(vanishing.opens, 4);
    assert_int_equal(file_stat(AREA, NULL), FILE_DIRECTORY);
    staging_drop(&scene->staging);
    vanishing = (struct vanishing){.times = 1000};
    assert_int_equal(open_area(scene, &ops, OUT, false), STATUS_IO);
    check_err(&scene->err, STATUS_IO, AREA, "vanishes again and again");
    assert_true(vanishing.opens < 100);
    assert_int_equal(scene->staging.lock_fd, -1);
}

static void paths_get_their_parents(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(open_area(scene, &file_posix, OUT, false), STATUS_OK);
    assert_string_equal(staging_path(&scene->staging, "a", &scene->arena, &scene->err), AREA "/a");
    assert_string_equal(staging_path(&scene->staging, "x/y/z", &scene->arena, &scene->err), AREA "/x/y/z");
    assert_int_equal(file_stat(AREA "/x/y", NULL), FILE_DIRECTORY);
    assert_false(exists(AREA "/x/y/z"));
    assert_non_null(staging_path(&scene->staging, "x/y/other", &scene->arena, &scene->err));
    assert_int_equal(stage(scene, &file_posix, "file", "f"), STATUS_OK);
    assert_int_equal(stage(scene, &file_posix, "file/under/it", "f"), STATUS_IO);
    check_err(&scene->err, STATUS_IO, AREA "/file/under", "cannot create");
    staging_drop(&scene->staging);
    assert_int_equal(names_in(PLACE), 0);
}

static void seal_does_not_overwrite(void **state)
{
    struct scene *scene = *state;
    for (int file = 0; file < 2; file++) {
        assert_int_equal(open_area(scene, &file_posix, OUT, false), STATUS_OK);
        assert_int_equal(stage(scene, &file_posix, "main", "new"), STATUS_OK);
        put_old_tree(); /* appears meanwhile */
        assert_int_equal(seal(scene, file), STATUS_IO);
        check_err(&scene->err, STATUS_IO, OUT, "cannot rename");
        assert_non_null(strstr(scene->err.remedy, "--force"));
        staging_drop(&scene->staging);
        assert_true(holds(OUT "/deep/old", "old"));
        assert_int_equal(names_in(PLACE), 1);
        assert_int_equal(tree_remove(&file_posix, OUT, NULL), STATUS_OK);
    }
}

static void force_replaces_anything(void **state)
{
    struct scene *scene = *state;
    put(PLACE "/target", "kept");
    for (int kind = 0; kind < 8; kind++) {
        if (kind / 2 == 1)
            put_old_tree();
        else if (kind / 2 == 2)
            put(OUT, "old");
        else if (kind / 2 == 3)
            assert_int_equal(symlink("target", OUT), 0);
        assert_int_equal(whole_run(scene, &file_posix, true, kind % 2), STATUS_OK);
        assert_true(complete(kind % 2, 1));
        assert_true(holds(PLACE "/target", "kept")); /* the link is replaced, not what it points to */
        assert_int_equal(tree_remove(&file_posix, OUT, NULL), STATUS_OK);
    }
}

static void seal_file_needs_the_file(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(open_area(scene, &file_posix, OUT, false), STATUS_OK);
    assert_int_equal(staging_seal_file(&scene->staging, "absent", &scene->err), STATUS_IO);
    check_err(&scene->err, STATUS_IO, OUT, "cannot rename " AREA "/absent");
    assert_false(exists(OUT));
    assert_int_equal(stage(scene, &file_posix, "main", "new"), STATUS_OK);
    assert_int_equal(seal(scene, true), STATUS_OK); /* the area is still there */
    staging_drop(&scene->staging);
    assert_true(complete(true, 0));
}

/* What was synced and renamed goes into a text, in order. */
static int journal_fsync(void *context, int fd)
{
    char link[64], path[1000] = "";
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    assert_true(readlink(link, path, sizeof path - 1) > 0);
    const char *place = strstr(path, PLACE);
    text_format(context, "%s;", place == NULL ? path : place);
    return file_posix.fsync(NULL, fd);
}

static int journal_rename(void *context, const char *from, const char *to, bool exchange)
{
    text_string(context, exchange ? "exchange;" : "rename;");
    return file_posix.rename(NULL, from, to, exchange);
}

static size_t place_of(const struct text *journal, const char *entry)
{
    const char *found = strstr(journal->data, entry);
    if (found == NULL)
        fail_msg("\"%s\" lacks \"%s\"", journal->data, entry);
    return (size_t)(found - journal->data);
}

static void seal_moves_the_tree_for_good(void **state)
{
    struct scene *scene = *state;
    struct text journal = {0};
    struct file_ops ops = file_posix;
    ops.context = &journal;
    ops.fsync = journal_fsync;
    ops.rename = journal_rename;
    assert_int_equal(open_area(scene, &ops, OUT, false), STATUS_OK);
    assert_int_equal(stage(scene, &file_posix, "x/y/z", "1"), STATUS_OK);
    assert_int_equal(stage(scene, &file_posix, "w/v", "2"), STATUS_OK);
    assert_false(exists(OUT));
    assert_int_equal(staging_seal(&scene->staging, &scene->err), STATUS_OK);
    assert_true(scene->staging.sealed && scene->staging.lock_fd == -1);
    staging_drop(&scene->staging);
    assert_true(holds(OUT "/x/y/z", "1") && holds(OUT "/w/v", "2") && names_in(PLACE) == 1);
    const size_t rename = place_of(&journal, "rename;");
    assert_true(place_of(&journal, AREA ";") < rename && place_of(&journal, AREA "/x;") < rename);
    assert_true(place_of(&journal, AREA "/x/y;") < rename && place_of(&journal, AREA "/w;") < rename);
    assert_true(place_of(&journal, ";" PLACE ";") > rename);
    text_free(&journal);
    assert_int_equal(whole_run(scene, &ops, true, true), STATUS_OK);
    assert_true(place_of(&journal, ";" PLACE ";") > place_of(&journal, "exchange;"));
    text_free(&journal);
}

/* A run that makes the files "a" and "b" of a set beside OUT, which is only the name of the area. */
static enum status set_run(struct scene *scene, const struct file_ops *ops, bool force)
{
    static const char *const names[] = {"a", "b"};
    enum status status = open_area(scene, ops, OUT, force);
    for (size_t n = 0; status == STATUS_OK && n < 2; n++)
        status = stage(scene, ops, names[n], n == 0 ? "new a" : "new b");
    if (status == STATUS_OK)
        status = staging_seal_files(&scene->staging, names, 2, &scene->err);
    staging_drop(&scene->staging);
    return status;
}

static void a_set_needs_force_where_a_file_is(void **state)
{
    struct scene *scene = *state;
    put(PLACE "/b", "old b");
    assert_int_equal(set_run(scene, &file_posix, false), STATUS_IO);
    check_err(&scene->err, STATUS_IO, PLACE "/b", "cannot rename");
    assert_true(holds(PLACE "/b", "old b") && names_in(PLACE) == 1);
    assert_int_equal(set_run(scene, &file_posix, true), STATUS_OK);
    assert_true(holds(PLACE "/a", "new a") && holds(PLACE "/b", "new b") && names_in(PLACE) == 2);
}

/* Whatever fails: all files are the old ones, or none is. */
static void every_fault_leaves_a_whole_set(void **state)
{
    struct scene *scene = *state;
    for (int old = 0; old < 2; old++) {
        for (enum fault_op op = 0; op < FAULT_COUNT; op++) {
            for (unsigned n = 1;; n++) {
                struct fault fault = {.op = op, .at = n, .error_number = EIO};
                const struct file_ops ops = fault_ops(&fault);
                assert_int_equal(tree_remove(&file_posix, PLACE, NULL), STATUS_OK);
                assert_int_equal(mkdir(PLACE, 0777), 0);
                if (old) {
                    put(PLACE "/a", "old a");
                    put(PLACE "/b", "old b");
                }
                const enum status status = set_run(scene, &ops, true);
                const bool fresh = holds(PLACE "/a", "new a") && holds(PLACE "/b", "new b");
                const bool kept = old ? holds(PLACE "/a", "old a") && holds(PLACE "/b", "old b") : !exists(PLACE "/a") && !exists(PLACE "/b");
                if (fresh == kept || (status == STATUS_OK && !fresh))
                    fail_msg("operation %d, call %u, old %d: status %d, new %d, old %d", (int)op, n, old, (int)status, fresh, kept);
                if (atomic_load(&fault.calls) < n)
                    break;
            }
        }
    }
}

/* While the old tree is removed from under the staging name, other runs ask for the same destination. */
struct intrusion {
    unsigned tries, entered;
};

static int intruded_rmdir(void *context, const char *path)
{
    struct intrusion *intrusion = context;
    struct arena arena = {0};
    struct staging other;
    struct err err;
    intrusion->tries++;
    const enum status status = staging_open(&other, &file_posix, OUT, true, &arena, &err);
    intrusion->entered += status == STATUS_OK;
    if (status != STATUS_OK && strstr(err.what, "another run holds") == NULL)
        fail_msg("refused with \"%s\"", err.what);
    staging_drop(&other);
    arena_free(&arena);
    return file_posix.rmdir(NULL, path);
}

static void nobody_enters_during_the_removal(void **state)
{
    struct scene *scene = *state;
    for (int file = 0; file < 2; file++) {
        struct intrusion intrusion = {0};
        struct file_ops ops = file_posix;
        ops.context = &intrusion;
        ops.rmdir = intruded_rmdir;
        put_old_tree();
        assert_int_equal(whole_run(scene, &ops, true, file), STATUS_OK);
        assert_true(intrusion.tries >= 2); /* deep, and the tree itself */
        assert_int_equal(intrusion.entered, 0);
        assert_true(complete(file, 0));
        assert_int_equal(tree_remove(&file_posix, OUT, NULL), STATUS_OK);
    }
}

/* The destination is as it was or complete, the area is gone unless it could not be removed, and a clean run succeeds. */
static void check_fault(struct scene *scene, const struct fault *fault, enum status status, bool force, bool file)
{
    const bool fresh = holds(file ? OUT : OUT "/main", "new"), old = force ? holds(OUT "/deep/old", "old") : !exists(OUT);
    if (fresh == old || (status == STATUS_OK && !fresh))
        fail_msg("operation %d, call %u, force %d, file %d: status %d, new %d, old %d", (int)fault->op, fault->at, force, file, (int)status,
                 fresh, old);
    assert_true(status == STATUS_OK || (status == STATUS_IO && scene->err.status == STATUS_IO && scene->err.where[0] != '\0'));
    if (fault->op != FAULT_UNLINK && fault->op != FAULT_RMDIR)
        assert_false(exists(AREA));
    struct scene again = {0};
    assert_int_equal(whole_run(&again, &file_posix, true, file), STATUS_OK);
    arena_free(&again.arena);
    assert_true(complete(file, 0));
}

static void every_fault_is_clean(void **state)
{
    struct scene *scene = *state;
    const int lowest = open("/dev/null", O_RDONLY);
    assert_true(lowest >= 0 && close(lowest) == 0);
    for (int variant = 0; variant < 4; variant++) {
        const bool force = variant & 1, file = variant & 2;
        for (enum fault_op op = 0; op < FAULT_COUNT; op++) {
            for (unsigned n = 1;; n++) {
                struct fault fault = {.op = op, .at = n, .error_number = op == FAULT_PWRITE ? ENOSPC : EIO};
                const struct file_ops ops = fault_ops(&fault);
                assert_int_equal(tree_remove(&file_posix, OUT, NULL), STATUS_OK);
                if (force)
                    put_old_tree();
                const enum status status = whole_run(scene, &ops, force, file);
                const int fd = open("/dev/null", O_RDONLY);
                assert_int_equal(fd, lowest);
                (void)close(fd);
                if (atomic_load(&fault.calls) < n) {
                    assert_int_equal(status, STATUS_OK);
                    break;
                }
                check_fault(scene, &fault, status, force, file);
            }
        }
    }
}

#define CASE(test) cmocka_unit_test_setup(test, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(area_is_a_hidden_sibling), CASE(bad_destinations_are_refused), CASE(existing_destinations_need_force),
        CASE(living_run_keeps_its_area), CASE(dead_run_is_cleared_away), CASE(strange_area_is_left_alone),
        CASE(locks_that_fail_leave_nothing), CASE(vanished_area_is_made_again), CASE(paths_get_their_parents),
        CASE(seal_does_not_overwrite), CASE(force_replaces_anything), CASE(seal_file_needs_the_file),
        CASE(seal_moves_the_tree_for_good), CASE(nobody_enters_during_the_removal), CASE(every_fault_is_clean),
        CASE(a_set_needs_force_where_a_file_is), CASE(every_fault_leaves_a_whole_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
