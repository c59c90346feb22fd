/* Where the tensors of a GGUF file lie. */
#ifndef REPAQ_GGUFILE_PLACE_H
#define REPAQ_GGUFILE_PLACE_H

#include "container/ggufile.h"

/* Type and bytes of a tensor whose name, rank and dims are known; on an error its type is GGML_COUNT or its bytes are 0. `where` is for messages. Errors:
 * CORRUPT for no plausible type, rows that are no whole blocks, a size beyond 2^63 - 1; UNSUPPORTED for a type that is unknown or was removed. */
enum status ggufile_place_measure(struct ggufile_tensor *tensor, uint32_t type, const char *where, struct err *err) WARN_UNUSED;

/* Makes the offsets of a table of tensors, which count from the start of the data, offsets of a file of `file_bytes` bytes, and finds where the data begin and
 * end. Alignment and header_bytes are known. Errors: CORRUPT where tensors overlap or leave the file; UNSUPPORTED for gaps and another order unless lenient. */
enum status ggufile_place(struct ggufile *gguf, uint64_t file_bytes, bool lenient, struct err *err) WARN_UNUSED;

#endif
