/* Files that no file system has as they are read: the entries of a zip archive, and the content of compressed files, under paths of their own.
 *
 * An overlay is a table of file operations on top of another. What it knows by path is read through it; everything else goes to the table below. Seekable zstd
 * and stored entries are read where they lie, in constant memory. Anything else is first written, uncompressed, to a file without a name. */
#ifndef REPAQ_OVERLAY_H
#define REPAQ_OVERLAY_H

#include "base/file.h"
#include "base/map.h"
#include "container/zipfile.h"

struct overlay_entry;

/* Zero-initialise; overlay_close ends it. It must not move once overlay_open was called. */
struct overlay {
    struct file_ops ops;           /* of the files that it knows, and of all others */
    const struct file_ops *below;  /* borrowed; NULL: not open */
    const char *spool;             /* directory for files without a name; borrowed */
    struct arena arena;
    struct overlay_entry *entry;   /* owned */
    size_t count, capacity;
    struct map by_path;
    struct file **outer;           /* owned; archives and compressed files that entries lie in */
    size_t outer_count, outer_capacity;
    struct overlay_fds *fds;       /* owned; descriptors that stand for entries */
};

enum status overlay_open(struct overlay *overlay, const struct file_ops *below, const char *spool, struct err *err) WARN_UNUSED;
void overlay_close(struct overlay *overlay);

/* An open outer file, kept until overlay_close. */
enum status overlay_outer(struct overlay *overlay, const char *path, const struct file **file, struct err *err) WARN_UNUSED;
/* An entry of an archive (on an outer file) under `path`. */
enum status overlay_add_entry(struct overlay *overlay, const char *path, const struct zipfile *zip, uint32_t entry, struct err *err) WARN_UNUSED;
/* The content of a zstd file (an outer file) under `path`; *bytes is its size. */
enum status overlay_add_zstd(struct overlay *overlay, const char *path, const struct file *outer, uint64_t *bytes, struct err *err) WARN_UNUSED;
/* The same archive, less what is not wanted ([zip->count]; NULL: less nothing), with every entry stored, under `path`: what was compressed can then be read
 * anywhere. *bytes is its size. */
enum status overlay_add_expanded(struct overlay *overlay, const char *path, const struct zipfile *zip, const bool *wanted, uint64_t *bytes,
                                 struct err *err) WARN_UNUSED;

#endif
