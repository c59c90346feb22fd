#include "container/ggufile_place.h"

#include "base/checked.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { TYPE_PLAUSIBLE_MAX = 1023 };

/* Numbers that ikawrakow/ik_llama.cpp:ggml/include/ggml.h gives to types of its own. */
static bool is_fork_type(uint32_t type)
{
    return (type >= 97 && type <= 99) || (type >= 133 && type <= 158) || (type >= 202 && type <= 399);
}

static enum status check_type(uint32_t word, const char *where, struct err *err)
{
    if (word > TYPE_PLAUSIBLE_MAX)
        return err_set(err, STATUS_CORRUPT, where, "found tensor type %u, expected 0 to %d", word, GGML_COUNT - 1);
    if (is_fork_type(word)) {
        (void)err_set(err, STATUS_UNSUPPORTED, where, "found tensor type %u, one of ik_llama.cpp's own, expected 0 to %d", word, GGML_COUNT - 1);
        return err_try(err, "quantize with llama.cpp instead, or start from the float model");
    }
    if (word >= GGML_COUNT)
        return err_set(err, STATUS_UNSUPPORTED, where, "found tensor type %u, expected 0 to %d, those that are known", word, GGML_COUNT - 1);
    if (ggml_kind((enum ggml_type)word) == GGML_KIND_GONE) {
        (void)err_set(err, STATUS_UNSUPPORTED, where, "found tensor type %u, %s, which llama.cpp removed%s", word, ggml_name((enum ggml_type)word),
                      word == 36 ? " (or I2_S of ik_llama.cpp and BitNet)" : "");
        return err_try(err, "quantize again with a current llama.cpp");
    }
    return STATUS_OK;
}

/* Bytes of a tensor. Dimensions of 0 count as 1 while products are checked, so that nothing hides behind them. */
enum status ggufile_place_measure(struct ggufile_tensor *tensor, uint32_t type, const char *where, struct err *err)
{
    uint64_t product = 1, rows = 1, row;
    bool empty = false;
    tensor->type = GGML_COUNT;
    tensor->bytes = 0;
    TRY(check_type(type, where, err));
    tensor->type = (enum ggml_type)type;
    for (unsigned d = 0; d < GGUFILE_DIMS_MAX; d++) {
        const uint64_t dim = tensor->dims[d] == 0 ? 1 : tensor->dims[d];
        empty = empty || tensor->dims[d] == 0;
        if (dim > INT64_MAX || !checked_mul(product, dim, &product) || product > INT64_MAX)
            return err_set(err, STATUS_CORRUPT, where, "found a shape of more than 2^63 - 1 elements");
        rows = d == 0 ? 1 : rows * dim;
    }
    if (tensor->dims[0] % ggml_block_elements(tensor->type) != 0)
        return err_set(err, STATUS_CORRUPT, where, "found rows of %llu elements of %s, expected a multiple of %u",
                       (unsigned long long)tensor->dims[0], ggml_name(tensor->type), ggml_block_elements(tensor->type));
    if (!ggml_row_bytes(tensor->type, tensor->dims[0], &row) || !checked_mul(row, rows, &tensor->bytes) || tensor->bytes > INT64_MAX)
        return err_set(err, STATUS_CORRUPT, where, "found a tensor of more than 2^63 - 1 bytes");
    if (empty)
        tensor->bytes = 0;
    return STATUS_OK;
}

/* --- places ------------------------------------------------------------------------------------------------------------ */

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
    return err_try(err, "convert --lenient reads such files");
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
