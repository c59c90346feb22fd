#include "container/zstream.h"

#include "base/crc32.h"
#include "base/le.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { LEVEL = 3, TABLE_HEAD = 8, TABLE_FOOT = 9, ROW_BYTES = 8, FRAMES_MAX = 1 << 27, WINDOW_LOG_MAX = 27 };
#define SKIPPABLE_MAGIC UINT32_C(0x184d2a5e)
#define SEEKABLE_MAGIC UINT32_C(0x8f92eab1)

bool zstream_probe(const void *head, size_t head_bytes)
{
    return head_bytes >= 4 && le_load32(head) == ZSTD_MAGICNUMBER;
}

static enum status damaged(const struct zstream *stream, const char *what, struct err *err)
{
    return err_set(err, STATUS_CORRUPT, stream->file->path, "found a damaged zstd stream: %s", what);
}

/* --- writing ---------------------------------------------------------------------------------------------------------------------- */

/* The table: skippable magic, its size, a row a frame, frames, flags, magic. */
static enum status write_table(const struct text *rows, const struct file *to, uint64_t at, uint64_t *size, struct err *err)
{
    uint8_t head[TABLE_HEAD], foot[TABLE_FOOT] = {0};
    TRY(text_check(rows, err));
    le_store32(head, SKIPPABLE_MAGIC);
    le_store32(head + 4, (uint32_t)(rows->size + TABLE_FOOT));
    le_store32(foot, (uint32_t)(rows->size / ROW_BYTES));
    le_store32(foot + 5, SEEKABLE_MAGIC);
    TRY(file_write(to, head, sizeof head, at, err));
    if (rows->size > 0)
        TRY(file_write(to, rows->data, rows->size, at + sizeof head, err));
    *size = sizeof head + rows->size + sizeof foot;
    return file_write(to, foot, sizeof foot, at + sizeof head + rows->size, err);
}

static enum status compress_frames(const struct file *from, const struct file *to, uint64_t at, struct zstream_written *written, struct err *err)
{
    const size_t bound = ZSTD_compressBound(ZSTREAM_FRAME_BYTES);
    uint8_t *content = mem_alloc(ZSTREAM_FRAME_BYTES, 1, err), *stored = mem_alloc(bound, 1, err);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    struct crc32 crc;
    struct text rows = {0};
    enum status status = content == NULL || stored == NULL ? STATUS_LIMIT
                         : context == NULL                 ? err_set(err, STATUS_LIMIT, from->path, "out of memory")
                                                           : STATUS_OK;
    crc32_start(&crc);
    if (context != NULL) { /* a checksum in every frame, as frames are read one by one */
        (void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
        (void)ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    }
    *written = (struct zstream_written){.content = from->bytes};
    for (uint64_t done = 0; status == STATUS_OK && done < from->bytes;) {
        const uint64_t left = from->bytes - done;
        const size_t size = left < ZSTREAM_FRAME_BYTES ? (size_t)left : ZSTREAM_FRAME_BYTES;
        status = file_read(from, content, size, done, err);
        if (status != STATUS_OK)
            break;
        crc32_add(&crc, content, size);
        const size_t made = ZSTD_compress2(context, stored, bound, content, size);
        if (ZSTD_isError(made)) {
            status = err_set(err, STATUS_LIMIT, from->path, "cannot compress: %s", ZSTD_getErrorName(made));
            break;
        }
        uint8_t row[ROW_BYTES];
        le_store32(row, (uint32_t)made);
        le_store32(row + 4, (uint32_t)size);
        text_add(&rows, (const char *)row, sizeof row);
        status = file_write(to, stored, made, at + written->stored, err);
        written->stored += made;
        done += size;
    }
    written->crc = crc32_end(&crc);
    uint64_t table = 0;
    if (status == STATUS_OK)
        status = write_table(&rows, to, at + written->stored, &table, err);
    written->stored += table;
    (void)ZSTD_freeCCtx(context);
    text_free(&rows);
    free(content);
    free(stored);
    return status;
}

enum status zstream_compress(const struct file *from, const struct file *to, uint64_t at, struct zstream_written *written, struct err *err)
{
    if (from->bytes / ZSTREAM_FRAME_BYTES >= FRAMES_MAX)
        return err_set(err, STATUS_LIMIT, from->path, "found a file of %llu bytes, more than one stream holds", (unsigned long long)from->bytes);
    return compress_frames(from, to, at, written, err);
}

/* --- reading from the start --------------------------------------------------------------------------------------------------------- */

static enum status decompress(const struct zstream *stream, const struct file *to, uint64_t content_max, struct zstream_written *written,
                              ZSTD_DCtx *context, struct err *err)
{
    uint8_t *content = mem_alloc(ZSTREAM_FRAME_BYTES, 1, err), *stored = mem_alloc(ZSTREAM_FRAME_BYTES, 1, err);
    enum status status = content == NULL || stored == NULL ? STATUS_LIMIT : STATUS_OK;
    struct crc32 crc;
    size_t pending = 0; /* 0: a frame has just ended */
    crc32_start(&crc);
    *written = (struct zstream_written){0};
    for (uint64_t done = 0; status == STATUS_OK && done < stream->bytes;) {
        const uint64_t left = stream->bytes - done;
        ZSTD_inBuffer in = {stored, left < ZSTREAM_FRAME_BYTES ? (size_t)left : ZSTREAM_FRAME_BYTES, 0};
        status = file_read(stream->file, stored, in.size, stream->offset + done, err);
        for (bool more = true; status == STATUS_OK && more;) {
            ZSTD_outBuffer out = {content, ZSTREAM_FRAME_BYTES, 0};
            pending = ZSTD_decompressStream(context, &out, &in);
            if (ZSTD_isError(pending)) {
                status = damaged(stream, ZSTD_getErrorName(pending), err);
                break;
            }
            if (out.pos > content_max - written->content)
                status = err_set(err, STATUS_CORRUPT, stream->file->path, "found more content than the %llu bytes that are expected",
                                 (unsigned long long)content_max);
            else if (out.pos > 0)
                status = file_write(to, content, out.pos, written->content, err);
            crc32_add(&crc, content, out.pos);
            written->content += out.pos;
            more = in.pos < in.size || out.pos == out.size;
        }
        done += in.size;
    }
    if (status == STATUS_OK && pending != 0)
        status = damaged(stream, "it ends within a frame", err);
    written->crc = crc32_end(&crc);
    free(content);
    free(stored);
    return status;
}

enum status zstream_extract(const struct zstream *stream, const struct file *to, uint64_t content_max, struct zstream_written *written, struct err *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL)
        return err_set(err, STATUS_LIMIT, stream->file->path, "out of memory");
    (void)ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX); /* 128 MiB, as zstd -d without --long */
    const enum status status = decompress(stream, to, content_max, written, context, err);
    (void)ZSTD_freeDCtx(context);
    return status;
}

/* --- reading anywhere ----------------------------------------------------------------------------------------------------------------- */

/* Rows into offsets. They tile the stream up to the table, or the table is not believed. */
static bool add_up(const uint8_t *row, uint32_t frames, uint64_t end, struct zstream_table *table)
{
    for (uint32_t f = 0; f < frames; f++) {
        const uint32_t stored = le_load32(row + (size_t)f * ROW_BYTES), content = le_load32(row + (size_t)f * ROW_BYTES + 4);
        table->stored[f + 1] = table->stored[f] + stored;
        table->content[f + 1] = table->content[f] + content;
        if (content == 0 || content > ZSTREAM_FRAME_MAX || stored > ZSTD_compressBound(ZSTREAM_FRAME_MAX))
            return false;
    }
    return table->stored[frames] == end;
}

enum status zstream_seek_table(const struct zstream *stream, struct zstream_table *table, bool *seekable, struct err *err)
{
    uint8_t foot[TABLE_FOOT], head[TABLE_HEAD];
    *table = (struct zstream_table){0};
    *seekable = false;
    if (stream->bytes < TABLE_HEAD + TABLE_FOOT)
        return STATUS_OK;
    TRY(file_read(stream->file, foot, sizeof foot, stream->offset + stream->bytes - sizeof foot, err));
    const uint32_t frames = le_load32(foot);
    const uint64_t size = (uint64_t)frames * ROW_BYTES;
    if (le_load32(foot + 5) != SEEKABLE_MAGIC || foot[4] != 0 || frames > FRAMES_MAX || size > stream->bytes - TABLE_HEAD - TABLE_FOOT)
        return STATUS_OK;
    const uint64_t end = stream->bytes - TABLE_FOOT - size - TABLE_HEAD;
    TRY(file_read(stream->file, head, sizeof head, stream->offset + end, err));
    if (le_load32(head) != SKIPPABLE_MAGIC || le_load32(head + 4) != size + TABLE_FOOT)
        return STATUS_OK;
    uint8_t *rows = mem_alloc(size + 1, 1, err);
    table->stored = mem_alloc((uint64_t)frames + 1, sizeof *table->stored, err);
    table->content = mem_alloc((uint64_t)frames + 1, sizeof *table->content, err);
    enum status status = rows == NULL || table->stored == NULL || table->content == NULL ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK)
        status = file_read(stream->file, rows, (size_t)size, stream->offset + end + TABLE_HEAD, err);
    table->frames = frames;
    *seekable = status == STATUS_OK && add_up(rows, frames, end, table);
    free(rows);
    if (!*seekable)
        zstream_table_free(table);
    return status;
}

void zstream_table_free(struct zstream_table *table)
{
    free(table->stored);
    free(table->content);
    *table = (struct zstream_table){0};
}

enum status zstream_read_frame(const struct zstream *stream, const struct zstream_table *table, uint32_t frame, void *content, struct err *err)
{
    const size_t stored = (size_t)(table->stored[frame + 1] - table->stored[frame]), wanted = (size_t)(table->content[frame + 1] - table->content[frame]);
    uint8_t *bytes = mem_alloc(stored + 1, 1, err);
    if (bytes == NULL)
        return STATUS_LIMIT;
    enum status status = file_read(stream->file, bytes, stored, stream->offset + table->stored[frame], err);
    if (status == STATUS_OK) {
        const size_t made = ZSTD_decompress(content, wanted, bytes, stored);
        if (ZSTD_isError(made) || made != wanted)
            status = damaged(stream, ZSTD_isError(made) ? ZSTD_getErrorName(made) : "a frame is shorter than its table says", err);
    }
    free(bytes);
    return status;
}

uint32_t zstream_find_frame(const struct zstream_table *table, uint64_t offset)
{
    uint32_t low = 0, high = table->frames;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (table->content[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}
