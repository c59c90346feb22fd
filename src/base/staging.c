#include "base/staging.h"

#include "base/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGING_SUFFIX ".repaq-staging"
#define LOCK_TRIES 8 /* a directory that another run removes between open and flock is made again */

/* "DIR/NAME" -> DIR and "DIR/.NAME.repaq-staging". */
static enum status name_parts(struct staging *staging, const char *destination, struct arena *arena, struct err *err)
{
    size_t size = strlen(destination);
    while (size > 1 && destination[size - 1] == '/')
        size--;
    char *copy = arena_copy(arena, destination, size, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    const char *slash = strrchr(copy, '/');
    const char *leaf = slash == NULL ? copy : slash + 1;
    if (leaf[0] == '\0' || strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0)
        return err_set(err, STATUS_USAGE, "destination", "found \"%s\", expected the name of a new directory or file", destination);
    const size_t prefix = (size_t)(leaf - copy);
    staging->destination = copy;
    staging->parent = prefix == 0 ? "." : prefix == 1 ? "/" : arena_copy(arena, copy, prefix - 1, err);
    staging->dir = arena_format(arena, err, "%.*s.%s%s", (int)prefix, copy, leaf, STAGING_SUFFIX);
    return staging->parent == NULL || staging->dir == NULL ? STATUS_LIMIT : STATUS_OK;
}

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static enum status check_destination(const struct staging *staging, bool force, struct err *err)
{
    if (file_stat(staging->parent, NULL) != FILE_DIRECTORY)
        return err_set(err, STATUS_USAGE, staging->parent, "found no such directory, expected the parent of the destination");
    struct stat info;
    const bool there = lstat(staging->destination, &info) == 0;
    if (there && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode) && !S_ISLNK(info.st_mode)) { /* /dev/null would be gone for everybody */
        (void)err_set(err, STATUS_USAGE, staging->destination, "found a special file, which is never replaced");
        return err_try(err, "another name");
    }
    if (force || !there)
        return STATUS_OK;
    (void)err_set(err, STATUS_USAGE, staging->destination, "found an existing destination");
    return err_try(err, "another name, or --force to replace it");
}

enum status staging_check(const char *destination, bool force, struct err *err)
{
    struct arena arena = {0};
    struct staging staging = {.lock_fd = -1};
    enum status status = name_parts(&staging, destination, &arena, err);
    if (status == STATUS_OK)
        status = check_destination(&staging, force, err);
    arena_free(&arena);
    return status;
}

/* True if fd still is what the path names. */
static bool still_there(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

static void unlock(struct staging *staging)
{
    if (staging->lock_fd >= 0)
        (void)staging->ops->close(staging->ops->context, staging->lock_fd);
    staging->lock_fd = -1;
}

static enum status lock_once(struct staging *staging, bool *held, struct err *err)
{
    const struct file_ops *ops = staging->ops;
    *held = false;
    const bool made = ops->mkdir(ops->context, staging->dir, 0777) == 0;
    if (!made && errno != EEXIST)
        return err_errno(err, staging->dir, errno, "cannot create");
    staging->lock_fd = ops->open(ops->context, staging->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (staging->lock_fd < 0) {
        const int error_number = errno;
        if (made) /* empty, and nobody's yet */
            (void)ops->rmdir(ops->context, staging->dir);
        return error_number == ENOENT ? STATUS_OK : err_errno(err, staging->dir, error_number, "cannot open");
    }
    if (flock(staging->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        const int error_number = errno;
        unlock(staging);
        if (error_number != EWOULDBLOCK && made)
            (void)ops->rmdir(ops->context, staging->dir);
        if (error_number != EWOULDBLOCK)
            return err_errno(err, staging->dir, error_number, "cannot lock");
        (void)err_set(err, STATUS_IO, staging->dir, "found a staging area that another run holds");
        return err_try(err, "wait for the other run to %s to end", staging->destination);
    }
    *held = still_there(staging->lock_fd, staging->dir);
    if (!*held)
        unlock(staging);
    return STATUS_OK;
}

/* What a dead run left in the area goes; the area itself stays, it is locked. */
static enum status empty(struct staging *staging, struct arena *arena, struct err *err)
{
    struct tree_names names;
    TRY(tree_names(staging->dir, arena, &names, err));
    for (size_t i = 0; i < names.count; i++)
        TRY(tree_remove(staging->ops, names.path[i], err));
    return STATUS_OK;
}

enum status staging_open(struct staging *staging, const struct file_ops *ops, const char *destination, bool force, struct arena *arena,
                         struct err *err)
{
    *staging = (struct staging){.ops = ops, .lock_fd = -1};
    TRY(name_parts(staging, destination, arena, err));
    TRY(check_destination(staging, force, err));
    bool held = false;
    for (int i = 0; i < LOCK_TRIES && !held; i++)
        TRY(lock_once(staging, &held, err));
    if (!held)
        return err_set(err, STATUS_IO, staging->dir, "cannot lock: the directory vanishes again and again");
    staging->may_replace = force;
    const enum status status = empty(staging, arena, err);
    if (status != STATUS_OK)
        staging_drop(staging);
    return status;
}

char *staging_path(struct staging *staging, const char *name, struct arena *arena, struct err *err)
{
    char *path = arena_format(arena, err, "%s/%s", staging->dir, name);
    if (path == NULL)
        return NULL;
    for (char *slash = path + strlen(staging->dir) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        const int result = staging->ops->mkdir(staging->ops->context, path, 0777), error_number = errno;
        if (result != 0 && error_number != EEXIST) {
            (void)err_errno(err, path, error_number, "cannot create");
            return NULL;
        }
        *slash = '/';
    }
    return path;
}

/* One rename makes the destination complete. With --force the two names are exchanged, and what was there is removed after. */
static enum status rename_into_place(struct staging *staging, const char *from, bool exchange, struct err *err)
{
    const struct file_ops *ops = staging->ops;
    if (ops->rename(ops->context, from, staging->destination, exchange) != 0) {
        const int error_number = errno;
        (void)err_errno(err, staging->destination, error_number, "cannot rename %s to it", from);
        return error_number == EEXIST ? err_try(err, "another name, or --force to replace it") : STATUS_IO;
    }
    return file_sync_dir(ops, staging->parent, err);
}

static bool replaces(const struct staging *staging)
{
    return staging->may_replace && exists(staging->destination);
}

/* After the exchange the old tree bears the area's name, and our lock is on what is the destination now. Unless the old tree is
 * locked as well, another run takes it for what a dead run left and works in a directory that we are removing. -1 if it cannot be
 * locked: a file is none that a run could enter. */
static int lock_old_tree(const struct staging *staging)
{
    const struct file_ops *ops = staging->ops;
    const int fd = ops->open(ops->context, staging->destination, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    (void)ops->close(ops->context, fd);
    return -1;
}

enum status staging_seal(struct staging *staging, struct err *err)
{
    const struct file_ops *ops = staging->ops;
    TRY(tree_sync(ops, staging->dir, err));
    const bool exchange = replaces(staging);
    const int old_fd = exchange ? lock_old_tree(staging) : -1;
    enum status status = rename_into_place(staging, staging->dir, exchange, err);
    if (status == STATUS_OK) {
        staging->sealed = true;
        if (exchange)
            status = tree_remove(ops, staging->dir, err);
        unlock(staging);
    }
    if (old_fd >= 0)
        (void)ops->close(ops->context, old_fd);
    return status;
}

enum status staging_seal_file(struct staging *staging, const char *name, struct err *err)
{
    struct arena arena = {0};
    const char *from = arena_format(&arena, err, "%s/%s", staging->dir, name);
    enum status status = from == NULL ? STATUS_LIMIT : file_sync_dir(staging->ops, staging->dir, err);
    if (status == STATUS_OK)
        status = rename_into_place(staging, from, replaces(staging), err);
    arena_free(&arena);
    if (status == STATUS_OK)
        staging_drop(staging); /* with --force it holds the old file now */
    return status;
}

/* Where a file of a set is, and where it goes. */
struct move {
    const char *from, *to;
    bool exchanged, done;
};

static enum status move_one(struct staging *staging, struct move *move, struct err *err)
{
    const struct file_ops *ops = staging->ops;
    move->exchanged = staging->may_replace && exists(move->to);
    if (ops->rename(ops->context, move->from, move->to, move->exchanged) != 0) {
        const int error_number = errno;
        (void)err_errno(err, move->to, error_number, "cannot rename %s to it", move->from);
        return error_number == EEXIST ? err_try(err, "another name, or --force to replace it") : STATUS_IO;
    }
    move->done = true;
    return STATUS_OK;
}

/* The rest is what the caller reports already. */
static void take_back(struct staging *staging, struct move *move)
{
    const struct file_ops *ops = staging->ops;
    if (move->done)
        (void)ops->rename(ops->context, move->to, move->from, move->exchanged);
    move->done = false;
}

/* The old first file goes into the area, under a name that no file of the set has; then the others are moved, and the first. */
static enum status move_all(struct staging *staging, struct move *move, size_t count, struct move *old, struct err *err)
{
    if (staging->may_replace && exists(move[0].to))
        TRY(move_one(staging, old, err));
    for (size_t i = count; i-- > 0;)
        TRY(move_one(staging, &move[i], err));
    return file_sync_dir(staging->ops, staging->parent, err);
}

enum status staging_seal_files(struct staging *staging, const char *const *name, size_t count, struct err *err)
{
    struct arena arena = {0};
    struct move *move = mem_alloc(count, sizeof *move, err);
    enum status status = move == NULL ? STATUS_LIMIT : file_sync_dir(staging->ops, staging->dir, err);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        move[i].from = arena_format(&arena, err, "%s/%s", staging->dir, name[i]);
        move[i].to = move[i].from == NULL ? NULL : arena_format(&arena, err, "%s/%s", staging->parent, name[i]);
        status = move[i].to == NULL ? STATUS_LIMIT : STATUS_OK;
    }
    struct move old = {.from = status == STATUS_OK ? move[0].to : NULL, .to = arena_format(&arena, err, "%s/.old", staging->dir)};
    if (status == STATUS_OK)
        status = old.to == NULL ? STATUS_LIMIT : move_all(staging, move, count, &old, err);
    if (status != STATUS_OK && move != NULL) {
        for (size_t i = 0; i < count; i++)
            take_back(staging, &move[i]);
        take_back(staging, &old);
    }
    free(move);
    arena_free(&arena);
    if (status == STATUS_OK)
        staging_drop(staging); /* with --force it holds the old files now */
    return status;
}

void staging_drop(struct staging *staging)
{
    if (staging->lock_fd < 0 || staging->sealed)
        return;
    const enum status ignored = tree_remove(staging->ops, staging->dir, NULL); /* what stays is removed by the next run */
    (void)ignored;
    unlock(staging);
}
