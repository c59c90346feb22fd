#include "base/file.h"

#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* --- the POSIX table --------------------------------------------------------------------------------------------------------- */

static int posix_open(void *context, const char *path, int flags, mode_t mode)
{
    (void)context;
    return open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
}

static int posix_close(void *context, int fd)
{
    (void)context;
    return close(fd);
}

static ssize_t posix_pread(void *context, int fd, void *data, size_t size, off_t offset)
{
    (void)context;
    return pread(fd, data, size, offset);
}

static ssize_t posix_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    (void)context;
    return pwrite(fd, data, size, offset);
}

static int posix_fsync(void *context, int fd)
{
    (void)context;
    return fsync(fd);
}

static int posix_allocate(void *context, int fd, off_t size)
{
    (void)context;
    if (fallocate(fd, 0, 0, size) == 0)
        return 0;
    return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL ? ftruncate(fd, size) : -1;
}

static int posix_mkdir(void *context, const char *path, mode_t mode)
{
    (void)context;
    return mkdir(path, mode);
}

/* Some file systems know no flags: then the check and the rename are two steps. */
static int posix_rename(void *context, const char *from, const char *to, bool exchange)
{
    (void)context;
    struct stat info;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, exchange ? RENAME_EXCHANGE : RENAME_NOREPLACE) == 0)
        return 0;
    if (exchange || (errno != EINVAL && errno != ENOSYS))
        return -1;
    if (lstat(to, &info) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

static int posix_unlink(void *context, const char *path)
{
    (void)context;
    return unlink(path);
}

static int posix_rmdir(void *context, const char *path)
{
    (void)context;
    return rmdir(path);
}

const struct file_ops file_posix = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .fsync = posix_fsync,
    .allocate = posix_allocate,
    .mkdir = posix_mkdir,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .rmdir = posix_rmdir,
};

/* --- one file ---------------------------------------------------------------------------------------------------------------- */

enum status file_open_read(struct file *file, const struct file_ops *ops, const char *path, struct err *err)
{
    struct stat info;
    *file = (struct file){.ops = ops, .path = path, .fd = -1};
    const int fd = ops->open(ops->context, path, O_RDONLY | O_NONBLOCK, 0); /* a FIFO would block until somebody writes */
    if (fd < 0)
        return err_errno(err, path, errno, "cannot open");
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void)ops->close(ops->context, fd);
        return err_set(err, STATUS_IO, path, "cannot open: found something else than a regular file");
    }
    file->fd = fd;
    file->bytes = (uint64_t)info.st_size;
    return STATUS_OK;
}

enum status file_create(struct file *file, const struct file_ops *ops, const char *path, struct err *err)
{
    *file = (struct file){.ops = ops, .path = path, .fd = -1};
    const int fd = ops->open(ops->context, path, O_RDWR | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        return err_errno(err, path, errno, "cannot create");
    file->fd = fd;
    return STATUS_OK;
}

enum status file_read(const struct file *file, void *data, size_t size, uint64_t offset, struct err *err)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t got = file->ops->pread(file->ops->context, file->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EBADMSG) /* packed content (container/overlay.h) */
            return err_set(err, STATUS_CORRUPT, file->path, "found damaged content at offset %llu", (unsigned long long)(offset + done));
        if (got < 0)
            return err_errno(err, file->path, errno, "cannot read %zu bytes at offset %llu", size - done, (unsigned long long)(offset + done));
        if (got == 0)
            return err_set(err, STATUS_CORRUPT, file->path, "truncated while reading: found the end at byte %llu, expected %zu more bytes",
                           (unsigned long long)(offset + done), size - done);
        done += (size_t)got;
    }
    return STATUS_OK;
}

/* At a time, as cp: for longer writes the kernel takes larger pieces of memory for its cache, of which those that the host of a virtual machine has taken back
 * cost several times what copying does (docs/performance.md). */
#define WRITE_BYTES_MAX (UINT64_C(256) << 10)

enum status file_write(const struct file *file, const void *data, size_t size, uint64_t offset, struct err *err)
{
    size_t done = 0;
    while (done < size) {
        const size_t part = size - done < WRITE_BYTES_MAX ? size - done : WRITE_BYTES_MAX;
        const ssize_t put = file->ops->pwrite(file->ops->context, file->fd, (const char *)data + done, part, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return err_errno(err, file->path, put == 0 ? EIO : errno, "cannot write %zu bytes at offset %llu", size - done,
                             (unsigned long long)(offset + done));
        done += (size_t)put;
    }
    return STATUS_OK;
}

enum status file_allocate(const struct file *file, uint64_t bytes, struct err *err)
{
    int done = 0;
    do {
        done = bytes == 0 ? 0 : file->ops->allocate(file->ops->context, file->fd, (off_t)bytes);
    } while (done != 0 && errno == EINTR);
    return done == 0 ? STATUS_OK : err_errno(err, file->path, errno, "cannot take room for %llu bytes", (unsigned long long)bytes);
}

void file_begin_sync(const struct file *file, uint64_t offset, uint64_t size)
{
    (void)sync_file_range(file->fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

enum status file_sync(const struct file *file, struct err *err)
{
    if (file->ops->fsync(file->ops->context, file->fd) != 0)
        return err_errno(err, file->path, errno, "cannot sync");
    return STATUS_OK;
}

enum status file_close(struct file *file, struct err *err)
{
    if (file->fd < 0)
        return STATUS_OK;
    const int fd = file->fd;
    file->fd = -1;
    if (file->ops->close(file->ops->context, fd) != 0)
        return err_errno(err, file->path, errno, "cannot close");
    return STATUS_OK;
}

void file_drop(struct file *file)
{
    if (file->fd >= 0)
        (void)file->ops->close(file->ops->context, file->fd);
    file->fd = -1;
}

enum status file_slurp(const struct file_ops *ops, const char *path, uint64_t bytes_max, struct text *text, struct err *err)
{
    struct file file;
    TRY(file_open_read(&file, ops, path, err));
    enum status status = STATUS_OK;
    text_free(text);
    if (file.bytes > bytes_max) {
        status = err_set(err, STATUS_LIMIT, path, "found %llu bytes, expected at most %llu", (unsigned long long)file.bytes, (unsigned long long)bytes_max);
    } else {
        text->data = mem_alloc(file.bytes + 1, 1, err);
        status = text->data == NULL ? STATUS_LIMIT : file_read(&file, text->data, (size_t)file.bytes, 0, err);
        text->size = (size_t)file.bytes;
        text->capacity = text->size + 1;
    }
    file_drop(&file);
    if (status != STATUS_OK)
        text_free(text);
    return status;
}

enum status file_spill(const struct file_ops *ops, const char *path, const char *data, size_t size, struct err *err)
{
    struct file file;
    TRY(file_create(&file, ops, path, err));
    enum status status = file_write(&file, data, size, 0, err);
    if (status == STATUS_OK)
        status = file_sync(&file, err);
    if (status == STATUS_OK)
        status = file_close(&file, err);
    file_drop(&file);
    return status;
}

/* --- paths ------------------------------------------------------------------------------------------------------------------- */

enum file_kind file_stat(const char *path, uint64_t *bytes)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return FILE_ABSENT;
    if (bytes != NULL)
        *bytes = (uint64_t)info.st_size;
    return S_ISREG(info.st_mode) ? FILE_REGULAR : S_ISDIR(info.st_mode) ? FILE_DIRECTORY : FILE_OTHER;
}

bool file_same(const char *a, const char *b)
{
    struct stat left, right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

bool file_inside(const char *path, const char *dir)
{
    char parent[LIMIT_PATH_BYTES_MAX];
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    if (size >= sizeof parent || file_stat(dir, NULL) != FILE_DIRECTORY)
        return false;
    (void)snprintf(parent, sizeof parent, "%.*s", size == 0 ? 1 : (int)size, size == 0 ? "." : path);
    char *above = realpath(parent, NULL), *whole = realpath(dir, NULL);
    const size_t length = whole == NULL ? 0 : strlen(whole);
    const bool inside = above != NULL && whole != NULL && strncmp(above, whole, length) == 0 &&
                        (above[length] == '/' || above[length] == '\0' || length == 1);
    free(above);
    free(whole);
    return inside;
}

bool file_held(const char *path, const char *target)
{
    if (file_same(path, target))
        return true;
    if (file_stat(path, NULL) == FILE_ABSENT || file_stat(target, NULL) != FILE_DIRECTORY)
        return false;
    char *real = realpath(path, NULL);
    const bool held = (real != NULL && file_inside(real, target)) || file_inside(path, target);
    free(real);
    return held;
}

enum status file_sync_dir(const struct file_ops *ops, const char *path, struct err *err)
{
    const int fd = ops->open(ops->context, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return err_errno(err, path, errno, "cannot open");
    const int result = ops->fsync(ops->context, fd), error_number = errno;
    (void)ops->close(ops->context, fd);
    if (result != 0 && error_number != EINVAL) /* a file system that cannot sync directories says so */
        return err_errno(err, path, error_number, "cannot sync");
    return STATUS_OK;
}

uint64_t file_free_bytes(const char *path)
{
    struct statvfs info;
    char parent[LIMIT_PATH_BYTES_MAX];
    if (statvfs(path, &info) != 0) {
        size_t size = strlen(path);
        while (size > 1 && path[size - 1] == '/')
            size--;
        if (size >= sizeof parent)
            return UINT64_MAX;
        (void)snprintf(parent, sizeof parent, "%.*s", (int)size, path);
        char *slash = strrchr(parent, '/');
        if (slash != NULL)
            slash[slash == parent] = '\0';
        if (statvfs(slash == NULL ? "." : parent, &info) != 0)
            return UINT64_MAX;
    }
    return (uint64_t)info.f_bavail * info.f_frsize;
}
