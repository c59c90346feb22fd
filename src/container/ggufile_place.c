#include "container/ggufile_place.h"

#include "base/checked.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static bool align(const struct ggufile *gguf, uint64_t *place)
{
    const uint64_t mask = (uint64_t)gguf->alignment - 1;
    if (!checked_add(*place, mask, place))
        return false;
    *place &= ~mask;
    return true;
}

struct extent {
    uint64_t begin, end; /* from data_offset */
    size_t tensor;
};

static int by_place(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return x->tensor < y->tensor ? -1 : 1;
}

static enum status check_places(struct ggufile *gguf, bool lenient, struct extent *extent, uint64_t *end, struct err *err)
{
    char where[600];
    const struct ggufile_tensor *odd = NULL; /* the first that is not where it is expected */
    uint64_t expected = 0;
    qsort(extent, gguf->tensor_count, sizeof *extent, by_place);
    for (size_t i = 0; i < gguf->tensor_count; i++) {
        const struct ggufile_tensor *tensor = &gguf->tensor[extent[i].tensor];
        (void)snprintf(where, sizeof where, "%s: tensor %s", gguf->path, tensor->name);
        if (extent[i].begin < expected && extent[i].begin < extent[i].end)
            return err_set(err, STATUS_CORRUPT, where, "found the tensor at byte %llu of the data, expected byte %llu or later: tensors overlap",
                           (unsigned long long)extent[i].begin, (unsigned long long)expected);
        gguf->has_gaps = gguf->has_gaps || extent[i].begin > expected;
        gguf->is_reordered = gguf->is_reordered || extent[i].tensor != i;
        odd = odd == NULL && (extent[i].begin != expected || extent[i].tensor != i) ? tensor : odd;
        expected = extent[i].end > expected ? extent[i].end : expected;
        if (!align(gguf, &expected))
            return err_set(err, STATUS_CORRUPT, where, "found tensors whose sizes overflow 64 bits");
    }
    *end = expected;
    if (odd == NULL || lenient)
        return STATUS_OK;
    (void)snprintf(where, sizeof where, "%s: tensor %s", gguf->path, odd->name);
    (void)err_set(err, STATUS_UNSUPPORTED, where, "found tensor data %s, expected them without gaps in the order of the table, as llama.cpp does",
                  gguf->is_reordered ? "in another order than the table" : "after a gap");
    return err_try(err, "--lenient reads such files");
}

/* Offsets from the start of the file, and the end of all data. */
static enum status place_tensors(struct ggufile *gguf, uint64_t bytes, bool lenient, struct extent *extent, struct err *err)
{
    char where[600];
    uint64_t end = 0;
    for (size_t i = 0; i < gguf->tensor_count; i++) {
        struct ggufile_tensor *tensor = &gguf->tensor[i];
        (void)snprintf(where, sizeof where, "%s: tensor %s", gguf->path, tensor->name);
        if (tensor->offset % gguf->alignment != 0)
            return err_set(err, STATUS_CORRUPT, where, "found offset %llu, expected a multiple of the alignment, %u", (unsigned long long)tensor->offset,
                           gguf->alignment);
        extent[i] = (struct extent){.begin = tensor->offset, .tensor = i};
        if (!checked_add(tensor->offset, tensor->bytes, &extent[i].end))
            return err_set(err, STATUS_CORRUPT, where, "found an offset and a size that overflow 64 bits");
        if (gguf->data_offset > bytes || extent[i].end > bytes - gguf->data_offset) {
            (void)err_set(err, STATUS_CORRUPT, where,
                          "truncated: found %llu bytes in the file, the tensor ends at byte %llu of the data, which begin at %llu",
                          (unsigned long long)bytes, (unsigned long long)extent[i].end, (unsigned long long)gguf->data_offset);
            return err_try(err, "download or copy the file again");
        }
        tensor->offset += gguf->data_offset;
    }
    TRY(check_places(gguf, lenient, extent, &end, err));
    if (end > bytes - gguf->data_offset) {
        (void)err_set(err, STATUS_CORRUPT, gguf->path, "truncated: found %llu bytes, expected %llu: the padding after the last tensor is missing",
                      (unsigned long long)bytes, (unsigned long long)(gguf->data_offset + end));
        return err_try(err, "download or copy the file again");
    }
    gguf->trailing_bytes = bytes - gguf->data_offset - end;
    return STATUS_OK;
}

enum status ggufile_place(struct ggufile *gguf, uint64_t bytes, bool lenient, struct err *err)
{
    gguf->data_offset = gguf->header_bytes;
    if (gguf->tensor_count == 0) {
        uint64_t end = gguf->header_bytes;
        gguf->trailing_bytes = align(gguf, &end) && end < bytes ? bytes - end : 0;
        return STATUS_OK;
    }
    (void)align(gguf, &gguf->data_offset); /* a header is far from 2^64 */
    struct extent *extent = mem_alloc(gguf->tensor_count, sizeof *extent, err);
    if (extent == NULL)
        return STATUS_LIMIT;
    const enum status status = place_tensors(gguf, bytes, lenient, extent, err);
    free(extent);
    return status;
}
