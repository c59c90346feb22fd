#include "container/overlay.h"

#include "container/zipentry.h"
#include "container/zipwrite.h"
#include "container/zstream.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum place { PLACE_SPOOLED, PLACE_STORED, PLACE_FRAMES };

struct overlay_entry {
    enum place place;
    uint64_t bytes;             /* of the content */
    int fd;                     /* SPOOLED: the content; else -1 */
    struct zstream stream;      /* STORED, FRAMES: where it lies in an outer file */
    struct zstream_table table; /* FRAMES */
};

/* Frames that were read last: rows of a matrix are read in small parts. */
enum { CACHED = 8 };
struct overlay_cache {
    pthread_mutex_t lock;
    struct cached {
        uint32_t entry, frame; /* entry: index + 1, 0 none */
        uint64_t used;         /* the larger, the later */
        uint8_t *content;      /* owned; ZSTREAM_FRAME_MAX bytes */
    } slot[CACHED];
    uint64_t clock;
};

/* Which descriptor stands for which entry: 0, or its index + 1. Workers read it while others open and close. */
struct overlay_fds {
    pthread_rwlock_t lock;
    uint32_t *entry; /* owned; [capacity] by descriptor */
    size_t capacity;
    struct overlay_cache cache;
};

/* --- file operations --------------------------------------------------------------------------------------------------------------- */

/* A descriptor of the entry's size, whose bytes are never asked of it. */
static int open_token(struct overlay *overlay, uint32_t index)
{
    struct overlay_fds *fds = overlay->fds;
    const int fd = memfd_create("repaq", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    (void)pthread_rwlock_wrlock(&fds->lock);
    bool made = ftruncate(fd, (off_t)overlay->entry[index].bytes) == 0;
    if (made && mem_grow((void **)&fds->entry, &fds->capacity, (size_t)fd + 1, sizeof *fds->entry, NULL) != STATUS_OK) {
        errno = ENOMEM;
        made = false;
    }
    if (made)
        fds->entry[fd] = index + 1;
    (void)pthread_rwlock_unlock(&fds->lock);
    if (!made)
        (void)close(fd);
    return made ? fd : -1;
}

static int overlay_op_open(void *context, const char *path, int flags, mode_t mode)
{
    struct overlay *overlay = context;
    const uint32_t index = (flags & O_ACCMODE) == O_RDONLY ? map_find(&overlay->by_path, slice_of(path)) : MAP_NONE;
    if (index == MAP_NONE)
        return overlay->below->open(overlay->below->context, path, flags, mode);
    if (overlay->entry[index].place == PLACE_SPOOLED)
        return fcntl(overlay->entry[index].fd, F_DUPFD_CLOEXEC, 0);
    return open_token(overlay, index);
}

static int overlay_op_close(void *context, int fd)
{
    struct overlay *overlay = context;
    (void)pthread_rwlock_wrlock(&overlay->fds->lock);
    if (fd >= 0 && (size_t)fd < overlay->fds->capacity)
        overlay->fds->entry[fd] = 0;
    (void)pthread_rwlock_unlock(&overlay->fds->lock);
    return overlay->below->close(overlay->below->context, fd);
}

struct part {
    uint32_t index, frame; /* of the entry, and of the frame in it */
    uint64_t skip, size;   /* bytes of the frame */
};

/* A part of a frame, by way of the cache; the lock is held while one is decoded. */
static enum status read_part(struct overlay *overlay, struct part part, void *data, struct err *err)
{
    const uint32_t index = part.index, frame = part.frame;
    struct overlay_cache *cache = &overlay->fds->cache;
    const struct overlay_entry *entry = &overlay->entry[index];
    struct cached *slot = &cache->slot[0];
    enum status status = STATUS_OK;
    (void)pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < CACHED && !(slot->entry == index + 1 && slot->frame == frame); i++)
        if ((cache->slot[i].entry == index + 1 && cache->slot[i].frame == frame) || cache->slot[i].used < slot->used)
            slot = &cache->slot[i];
    if (slot->entry != index + 1 || slot->frame != frame) {
        if (slot->content == NULL)
            slot->content = mem_alloc(ZSTREAM_FRAME_MAX, 1, err);
        slot->entry = 0;
        status = slot->content == NULL ? STATUS_LIMIT : zstream_read_frame(&entry->stream, &entry->table, frame, slot->content, err);
        if (status == STATUS_OK) {
            slot->entry = index + 1;
            slot->frame = frame;
        }
    }
    slot->used = ++cache->clock;
    if (status == STATUS_OK)
        memcpy(data, slot->content + part.skip, (size_t)part.size);
    (void)pthread_mutex_unlock(&cache->lock);
    return status;
}

static enum status read_frames(struct overlay *overlay, uint32_t index, uint8_t *data, uint64_t size, uint64_t offset, struct err *err)
{
    const struct overlay_entry *entry = &overlay->entry[index];
    while (size > 0) {
        const uint32_t frame = zstream_find_frame(&entry->table, offset);
        const uint64_t length = entry->table.content[frame + 1] - entry->table.content[frame], skip = offset - entry->table.content[frame];
        const uint64_t part = length - skip < size ? length - skip : size;
        if (part == length)
            TRY(zstream_read_frame(&entry->stream, &entry->table, frame, data, err));
        else
            TRY(read_part(overlay, (struct part){index, frame, skip, part}, data, err));
        data += part;
        offset += part;
        size -= part;
    }
    return STATUS_OK;
}

static ssize_t overlay_op_pread(void *context, int fd, void *data, size_t size, off_t offset)
{
    struct overlay *overlay = context;
    (void)pthread_rwlock_rdlock(&overlay->fds->lock);
    const uint32_t index = fd >= 0 && (size_t)fd < overlay->fds->capacity ? overlay->fds->entry[fd] : 0;
    (void)pthread_rwlock_unlock(&overlay->fds->lock);
    if (index == 0)
        return overlay->below->pread(overlay->below->context, fd, data, size, offset);
    const struct overlay_entry *entry = &overlay->entry[index - 1];
    if (offset < 0 || (uint64_t)offset >= entry->bytes)
        return 0;
    const uint64_t left = entry->bytes - (uint64_t)offset, part = size < left ? size : left;
    struct err err;
    const enum status status = entry->place == PLACE_STORED
                                   ? file_read(entry->stream.file, data, (size_t)part, entry->stream.offset + (uint64_t)offset, &err)
                                   : read_frames(overlay, index - 1, data, part, (uint64_t)offset, &err);
    if (status == STATUS_OK)
        return (ssize_t)part;
    errno = status == STATUS_CORRUPT ? EBADMSG : status == STATUS_LIMIT ? ENOMEM : EIO;
    return -1;
}

static ssize_t overlay_op_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    const struct overlay *overlay = context;
    return overlay->below->pwrite(overlay->below->context, fd, data, size, offset);
}

static int overlay_op_fsync(void *context, int fd)
{
    const struct overlay *overlay = context;
    return overlay->below->fsync(overlay->below->context, fd);
}

enum status overlay_open(struct overlay *overlay, const struct file_ops *below, const char *spool, struct err *err)
{
    if (overlay->below != NULL)
        return STATUS_OK;
    struct overlay_fds *fds = mem_alloc(1, sizeof *fds, err);
    if (fds == NULL)
        return STATUS_LIMIT;
    if (pthread_rwlock_init(&fds->lock, NULL) != 0 || pthread_mutex_init(&fds->cache.lock, NULL) != 0) {
        free(fds);
        return err_set(err, STATUS_LIMIT, "overlay", "out of memory");
    }
    *overlay = (struct overlay){.ops = *below, .below = below, .spool = spool, .fds = fds};
    overlay->ops.context = overlay;
    overlay->ops.open = overlay_op_open;
    overlay->ops.close = overlay_op_close;
    overlay->ops.pread = overlay_op_pread;
    overlay->ops.pwrite = overlay_op_pwrite;
    overlay->ops.fsync = overlay_op_fsync;
    return STATUS_OK; /* allocate, mkdir, rename, unlink and rmdir are for what is written, which never goes through here */
}

void overlay_close(struct overlay *overlay)
{
    for (size_t i = 0; i < overlay->count; i++) {
        if (overlay->entry[i].fd >= 0)
            (void)overlay->below->close(overlay->below->context, overlay->entry[i].fd);
        zstream_table_free(&overlay->entry[i].table);
    }
    for (size_t i = 0; i < overlay->outer_count; i++) {
        file_drop(overlay->outer[i]);
        free(overlay->outer[i]);
    }
    if (overlay->fds != NULL) {
        for (size_t i = 0; i < CACHED; i++)
            free(overlay->fds->cache.slot[i].content);
        (void)pthread_mutex_destroy(&overlay->fds->cache.lock);
        (void)pthread_rwlock_destroy(&overlay->fds->lock);
        free(overlay->fds->entry);
        free(overlay->fds);
    }
    free(overlay->outer);
    free(overlay->entry);
    map_free(&overlay->by_path);
    arena_free(&overlay->arena);
    *overlay = (struct overlay){0};
}

/* --- entries -------------------------------------------------------------------------------------------------------------------------- */

enum status overlay_outer(struct overlay *overlay, const char *path, const struct file **file, struct err *err)
{
    TRY(mem_grow((void **)&overlay->outer, &overlay->outer_capacity, overlay->outer_count + 1, sizeof *overlay->outer, err));
    struct file *outer = mem_alloc(1, sizeof *outer, err);
    const char *copy = outer == NULL ? NULL : arena_copy(&overlay->arena, path, strlen(path), err);
    enum status status = copy == NULL ? STATUS_LIMIT : file_open_read(outer, overlay->below, copy, err);
    if (status != STATUS_OK) {
        free(outer);
        return status;
    }
    overlay->outer[overlay->outer_count++] = outer;
    *file = outer;
    return STATUS_OK;
}

static enum status add(struct overlay *overlay, const char *path, const struct overlay_entry *entry, struct err *err)
{
    uint32_t before;
    TRY(mem_grow((void **)&overlay->entry, &overlay->capacity, overlay->count + 1, sizeof *entry, err));
    const char *copy = arena_copy(&overlay->arena, path, strlen(path), err);
    if (copy == NULL)
        return STATUS_LIMIT;
    TRY(map_add(&overlay->by_path, slice_of(copy), (uint32_t)overlay->count, &before, err));
    if (before != MAP_NONE)
        return err_set(err, STATUS_CORRUPT, path, "found two files of this name");
    overlay->entry[overlay->count++] = *entry;
    return STATUS_OK;
}

/* A file without a name: it goes with its descriptor, whatever happens to the program. */
static enum status open_spool(const struct overlay *overlay, struct file *spool, struct err *err)
{
    *spool = (struct file){.ops = overlay->below, .path = overlay->spool};
    spool->fd = overlay->below->open(overlay->below->context, overlay->spool, O_TMPFILE | O_RDWR, 0600);
    if (spool->fd >= 0)
        return STATUS_OK;
    (void)err_errno(err, overlay->spool, errno, "cannot make a file for what is compressed and cannot be read in place");
    return err_try(err, "unpack it first (repaq unbundle, zstd -d, unzip)");
}

static enum status add_spooled(struct overlay *overlay, const char *path, struct file *spool, uint64_t bytes, enum status status, struct err *err)
{
    const struct overlay_entry entry = {.place = PLACE_SPOOLED, .bytes = bytes, .fd = spool->fd};
    if (status == STATUS_OK)
        status = add(overlay, path, &entry, err);
    if (status != STATUS_OK)
        file_drop(spool);
    return status;
}

enum status overlay_add_entry(struct overlay *overlay, const char *path, const struct zipfile *zip, uint32_t entry, struct err *err)
{
    const struct zipfile_entry *from = &zip->entry[entry];
    struct overlay_entry made = {.place = PLACE_STORED, .bytes = from->bytes, .fd = -1, .stream = {zip->file, from->offset, from->stored}};
    bool seekable = from->method == ZIPFILE_STORED;
    if (from->method == ZIPFILE_ZSTD) {
        made.place = PLACE_FRAMES;
        TRY(zstream_seek_table(&made.stream, &made.table, &seekable, err));
        seekable = seekable && made.table.content[made.table.frames] == from->bytes;
    }
    if (seekable) {
        const enum status status = add(overlay, path, &made, err);
        if (status != STATUS_OK)
            zstream_table_free(&made.table);
        return status;
    }
    zstream_table_free(&made.table);
    struct file spool;
    TRY(open_spool(overlay, &spool, err));
    return add_spooled(overlay, path, &spool, from->bytes, zipentry_extract(zip, entry, &spool, err), err);
}

enum status overlay_add_zstd(struct overlay *overlay, const char *path, const struct file *outer, uint64_t *bytes, struct err *err)
{
    struct overlay_entry made = {.place = PLACE_FRAMES, .fd = -1, .stream = {outer, 0, outer->bytes}};
    struct zstream_written written = {0};
    struct file spool;
    bool seekable;
    TRY(zstream_seek_table(&made.stream, &made.table, &seekable, err));
    if (seekable) {
        *bytes = made.bytes = made.table.content[made.table.frames];
        const enum status status = add(overlay, path, &made, err);
        if (status != STATUS_OK)
            zstream_table_free(&made.table);
        return status;
    }
    TRY(open_spool(overlay, &spool, err));
    const enum status status = zstream_extract(&made.stream, &spool, UINT64_MAX / 2, &written, err);
    *bytes = written.content;
    return add_spooled(overlay, path, &spool, written.content, status, err);
}

enum status overlay_add_expanded(struct overlay *overlay, const char *path, const struct zipfile *zip, const bool *wanted, uint64_t *bytes, struct err *err)
{
    struct file spool;
    TRY(open_spool(overlay, &spool, err));
    struct zipwrite writing = {.to = &spool};
    enum status status = STATUS_OK;
    for (uint32_t e = 0; status == STATUS_OK && e < zip->count; e++)
        if (wanted == NULL || wanted[e])
            status = zipwrite_copy(&writing, zip, e, err);
    if (status == STATUS_OK)
        status = zipwrite_end(&writing, err);
    *bytes = writing.end;
    zipwrite_free(&writing);
    return add_spooled(overlay, path, &spool, *bytes, status, err);
}
