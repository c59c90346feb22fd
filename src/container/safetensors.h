/* The safetensors container (formats/safetensors.md): u64 header length | JSON header | tensors that tile the rest exactly. */
#ifndef REPAQ_SAFETENSORS_H
#define REPAQ_SAFETENSORS_H

#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "ir/model.h"

/* Reads the header of an open file and adds its tensors to the model as tensors of file `file_index`. Refuses what the
 * reference reader refuses, and duplicate names. Errors: CORRUPT (where = file name, tensor named), LIMIT. */
enum status safetensors_read(const struct file *file, uint32_t file_index, struct model *model, struct err *err) WARN_UNUSED;
/* True if the first bytes look like a safetensors file: plausible header length and a '{' (blanks allowed) after it. */
bool safetensors_probe(const void *head, size_t head_bytes, uint64_t file_bytes);

/* One tensor to be written. */
struct safetensors_entry {
    const char *name;
    const uint64_t *shape; /* [rank] */
    uint8_t rank;
    enum dtype dtype;
    uint64_t bytes;  /* in: size */
    uint64_t offset; /* out: from the start of the file */
};
/* Sorts entries as the reference writer does (dtype descending, then name bytewise), assigns offsets, and makes the header: length word and JSON,
 * padded with spaces to a multiple of 8, "__metadata__":{"format":METADATA} first. Header above the limit is LIMIT, a tensor named
 * __metadata__ UNSUPPORTED. *file_bytes is the whole file. */
enum status safetensors_layout(struct safetensors_entry *entry, size_t count, const char *metadata, struct text *header, uint64_t *file_bytes,
                               struct err *err) WARN_UNUSED;

#endif
