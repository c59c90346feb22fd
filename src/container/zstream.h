/* zstd streams (RFC 8878; the only includer of libzstd). What repaq writes is seekable: frames of ZSTREAM_FRAME_BYTES and a table of their sizes in a skippable
 * frame at the end, which every zstd passes over (facebook/zstd:contrib/seekable_format/zstd_seekable_compression_format.md). */
#ifndef REPAQ_ZSTREAM_H
#define REPAQ_ZSTREAM_H

#include "base/err.h"
#include "base/file.h"

#include <stdbool.h>

enum { ZSTREAM_FRAME_BYTES = 1 << 20, ZSTREAM_FRAME_MAX = 4 << 20 }; /* that are written; that are read as frames */

/* A range of a file that holds a zstd stream. */
struct zstream {
    const struct file *file; /* borrowed */
    uint64_t offset, bytes;  /* the stream in the file */
};

bool zstream_probe(const void *head, size_t head_bytes);
/* Writes the content of `from` as a seekable stream to `to` from byte `at` of it on. *stored: its bytes; *crc: CRC-32 of the content. */
struct zstream_written {
    uint64_t content, stored;
    uint32_t crc;
};
enum status zstream_compress(const struct file *from, const struct file *to, uint64_t at, struct zstream_written *written, struct err *err) WARN_UNUSED;
/* Writes the content to `to` from its first byte on; more than content_max is LIMIT. written->stored is not set. Damage is CORRUPT. */
enum status zstream_extract(const struct zstream *stream, const struct file *to, uint64_t content_max, struct zstream_written *written,
                            struct err *err) WARN_UNUSED;

/* Where the frames of a seekable stream lie. */
struct zstream_table {
    uint64_t *stored;  /* owned; [frames + 1] offset of each in the stream */
    uint64_t *content; /* owned; [frames + 1] and in the content */
    uint32_t frames;
};
/* Reads the table at the end; false in *seekable where there is none that fits the stream. Free with zstream_table_free. */
enum status zstream_seek_table(const struct zstream *stream, struct zstream_table *table, bool *seekable, struct err *err) WARN_UNUSED;
void zstream_table_free(struct zstream_table *table);
/* The frame that holds byte `offset` of the content, which is not beyond its end. */
uint32_t zstream_find_frame(const struct zstream_table *table, uint64_t offset);
/* The content of one frame: table.content[frame + 1] - table.content[frame] bytes, at most ZSTREAM_FRAME_MAX. */
enum status zstream_read_frame(const struct zstream *stream, const struct zstream_table *table, uint32_t frame, void *content, struct err *err) WARN_UNUSED;

#endif
