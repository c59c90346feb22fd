/* Reading rectangles of stored tensors: positional reads into caller-provided buffers. */
#ifndef REPAQ_FETCH_H
#define REPAQ_FETCH_H

#include "base/file.h"
#include "codec/layout.h"
#include "ir/model.h"

/* A model with its weight files open. */
struct fetch {
    const struct model *model; /* borrowed */
    struct file *file;         /* owned; [model->file_count] */
    char **path;               /* owned; [model->file_count], each owned */
};

enum status fetch_open(struct fetch *fetch, const struct file_ops *ops, const struct model *model, struct err *err) WARN_UNUSED;
void fetch_close(struct fetch *fetch);

/* `size` bytes at `offset` of a tensor's own bytes. */
enum status fetch_bytes(const struct fetch *fetch, uint32_t tensor, uint64_t offset, void *data, uint64_t size, struct err *err) WARN_UNUSED;
/* The rectangle of a tensor stored in rows of row_bytes, gathered into data [rect.rows][rect.bytes]; one read if the rows are whole. */
enum status fetch_rect(const struct fetch *fetch, uint32_t tensor, uint64_t row_bytes, struct layout_rect rect, uint8_t *data,
                       struct err *err) WARN_UNUSED;

#endif
