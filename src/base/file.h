/* Files through a table of operations, so that tests inject faults. Positional I/O only; nothing is mapped. */
#ifndef REPAQ_FILE_H
#define REPAQ_FILE_H

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Each follows the POSIX call of its name: -1 and errno on failure. `context` is handed through. */
struct file_ops {
    void *context;
    int (*open)(void *context, const char *path, int flags, mode_t mode);
    int (*close)(void *context, int fd);
    ssize_t (*pread)(void *context, int fd, void *data, size_t size, off_t offset);
    ssize_t (*pwrite)(void *context, int fd, const void *data, size_t size, off_t offset);
    int (*fsync)(void *context, int fd);
    int (*allocate)(void *context, int fd, off_t size); /* fallocate from 0; ftruncate where the file system cannot */
    int (*mkdir)(void *context, const char *path, mode_t mode);
    int (*rename)(void *context, const char *from, const char *to, bool exchange); /* renameat2; never replaces unless exchange */
    int (*unlink)(void *context, const char *path);
    int (*rmdir)(void *context, const char *path);
};

extern const struct file_ops file_posix;

enum file_kind { FILE_ABSENT, FILE_REGULAR, FILE_DIRECTORY, FILE_OTHER };

struct file {
    const struct file_ops *ops; /* borrowed */
    const char *path;           /* borrowed; for messages */
    int fd;                     /* -1: closed */
    uint64_t bytes;             /* size when opened for reading */
};

/* Follows links. Errors: IO ("cannot open"), also for a directory. O_CLOEXEC, O_NOCTTY; refuses what is not a regular file
 * without blocking on a FIFO. */
enum status file_open_read(struct file *file, const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;
/* Creates a new file, mode 0666 less the umask; fails if it exists. */
enum status file_create(struct file *file, const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;
/* Reads exactly size bytes; retries short reads and EINTR. End of file inside the range is CORRUPT ("truncated while reading"). */
enum status file_read(const struct file *file, void *data, size_t size, uint64_t offset, struct err *err) WARN_UNUSED;
/* Writes exactly size bytes; retries short writes and EINTR. */
enum status file_write(const struct file *file, const void *data, size_t size, uint64_t offset, struct err *err) WARN_UNUSED;
/* Makes a new file `bytes` long, of zeros, with the room on disk taken at once where the file system can: so what is written out of order lies in order, and
 * a full disk is found before anything is computed. */
enum status file_allocate(const struct file *file, uint64_t bytes, struct err *err) WARN_UNUSED;
/* Asks the kernel to begin writing a range to disk, so that a later sync has less to wait for. A hint: failures do not matter. */
void file_begin_sync(const struct file *file, uint64_t offset, uint64_t size);
enum status file_sync(const struct file *file, struct err *err) WARN_UNUSED;
/* Idempotent. A failing close after writing is an IO error. */
enum status file_close(struct file *file, struct err *err) WARN_UNUSED;
/* Closes without a word: for readers and error paths. */
void file_drop(struct file *file);

/* A whole file of at most bytes_max bytes into *text (replaced). More is LIMIT. */
enum status file_slurp(const struct file_ops *ops, const char *path, uint64_t bytes_max, struct text *text, struct err *err) WARN_UNUSED;
/* Creates path with this content and syncs it. */
enum status file_spill(const struct file_ops *ops, const char *path, const char *data, size_t size, struct err *err) WARN_UNUSED;

/* stat, following links; FILE_ABSENT also for dangling links. *bytes may be NULL. */
enum file_kind file_stat(const char *path, uint64_t *bytes);
/* True if both paths name the same existing file or directory (device and inode). */
bool file_same(const char *a, const char *b);
/* True if path would be made somewhere below the existing directory dir. */
bool file_inside(const char *path, const char *dir);
/* True if replacing `target` would take away what `path` names: it is the same file or directory, or target is a directory that holds it, or what it is a
 * symbolic link to. False where either is absent. */
bool file_held(const char *path, const char *target);

/* fsync of a directory, so that a rename in it is durable. */
enum status file_sync_dir(const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;
/* Free bytes of the file system that holds path (its parent if absent), or UINT64_MAX if unknown. */
uint64_t file_free_bytes(const char *path);

#endif
