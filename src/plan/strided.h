/* Reading tensors whose elements do not stand in the order of their shape (ir/view.h, `stride`). */
#ifndef REPAQ_STRIDED_H
#define REPAQ_STRIDED_H

#include "base/file.h"
#include "ir/model.h"

/* `size` bytes at `offset` of the tensor, in the order of its shape, little-endian. */
enum status strided_read(const struct file *file, const struct tensor *tensor, uint64_t offset, void *data, uint64_t size, struct err *err) WARN_UNUSED;

#endif
