/* File operations that fail on request, for tests only: file_posix behind a counter.
 *
 *     for (unsigned n = 1;; n++) {
 *         struct fault fault = {.op = FAULT_FSYNC, .at = n, .error_number = EIO};
 *         const struct file_ops ops = fault_ops(&fault);
 *         ... run with &ops, look at what it left ...
 *         if (atomic_load(&fault.calls) < n)
 *             break; // the run makes fewer calls: nothing has failed
 *     }
 *
 * Several threads may use one table. A failing close closes all the same, as on Linux. */
#ifndef REPAQ_TESTS_FAULT_H
#define REPAQ_TESTS_FAULT_H

#include "base/file.h"

#include <errno.h>
#include <stdatomic.h>

enum fault_op {
    FAULT_OPEN,
    FAULT_CLOSE,
    FAULT_PREAD,
    FAULT_PWRITE,
    FAULT_FSYNC,
    FAULT_ALLOCATE,
    FAULT_MKDIR,
    FAULT_RENAME,
    FAULT_UNLINK,
    FAULT_RMDIR,
    FAULT_COUNT, /* none */
};

struct fault {
    enum fault_op op;
    unsigned at;        /* the call of that operation which fails: 1 is the first, 0 none */
    bool forever;       /* the calls after it fail as well */
    int error_number;   /* what they set errno to */
    size_t piece;       /* > 0: a read or write moves at most so many bytes */
    atomic_uint calls;  /* of that operation so far; the test reads it */
    atomic_uint moves;  /* reads and writes so far */
};

static inline bool fault_strikes(void *context, enum fault_op op)
{
    struct fault *fault = (struct fault *)context;
    if (op != fault->op)
        return false;
    const unsigned call = atomic_fetch_add(&fault->calls, 1) + 1;
    if (fault->at == 0 || call < fault->at || (call > fault->at && !fault->forever))
        return false;
    errno = fault->error_number;
    return true;
}

static inline size_t fault_piece(void *context, size_t size)
{
    struct fault *fault = (struct fault *)context;
    (void)atomic_fetch_add(&fault->moves, 1);
    return fault->piece > 0 && fault->piece < size ? fault->piece : size;
}

static inline int fault_open(void *context, const char *path, int flags, mode_t mode)
{
    return fault_strikes(context, FAULT_OPEN) ? -1 : file_posix.open(file_posix.context, path, flags, mode);
}

static inline int fault_close(void *context, int fd)
{
    const int result = file_posix.close(file_posix.context, fd);
    return fault_strikes(context, FAULT_CLOSE) ? -1 : result;
}

static inline ssize_t fault_pread(void *context, int fd, void *data, size_t size, off_t offset)
{
    const size_t piece = fault_piece(context, size);
    return fault_strikes(context, FAULT_PREAD) ? -1 : file_posix.pread(file_posix.context, fd, data, piece, offset);
}

static inline ssize_t fault_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    const size_t piece = fault_piece(context, size);
    return fault_strikes(context, FAULT_PWRITE) ? -1 : file_posix.pwrite(file_posix.context, fd, data, piece, offset);
}

static inline int fault_fsync(void *context, int fd)
{
    return fault_strikes(context, FAULT_FSYNC) ? -1 : file_posix.fsync(file_posix.context, fd);
}

static inline int fault_allocate(void *context, int fd, off_t size)
{
    return fault_strikes(context, FAULT_ALLOCATE) ? -1 : file_posix.allocate(file_posix.context, fd, size);
}

static inline int fault_mkdir(void *context, const char *path, mode_t mode)
{
    return fault_strikes(context, FAULT_MKDIR) ? -1 : file_posix.mkdir(file_posix.context, path, mode);
}

static inline int fault_rename(void *context, const char *from, const char *to, bool exchange)
{
    return fault_strikes(context, FAULT_RENAME) ? -1 : file_posix.rename(file_posix.context, from, to, exchange);
}

static inline int fault_unlink(void *context, const char *path)
{
    return fault_strikes(context, FAULT_UNLINK) ? -1 : file_posix.unlink(file_posix.context, path);
}

static inline int fault_rmdir(void *context, const char *path)
{
    return fault_strikes(context, FAULT_RMDIR) ? -1 : file_posix.rmdir(file_posix.context, path);
}

static inline struct file_ops fault_ops(struct fault *fault)
{
    return (struct file_ops){
        .context = fault,
        .open = fault_open,
        .close = fault_close,
        .pread = fault_pread,
        .pwrite = fault_pwrite,
        .fsync = fault_fsync,
        .allocate = fault_allocate,
        .mkdir = fault_mkdir,
        .rename = fault_rename,
        .unlink = fault_unlink,
        .rmdir = fault_rmdir,
    };
}

#endif
