/* A file of torch.save, over any bytes as a file in memory: every tensor that is accepted lies in the file. */
#include "base/limits.h"
#include "container/torchfile.h"
#include "harness.h"

#include <errno.h>
#include <string.h>

struct memory {
    const uint8_t *data;
    size_t size;
};

static ssize_t memory_pread(void *context, int fd, void *data, size_t size, off_t offset)
{
    (void)fd;
    const struct memory *memory = context;
    if (offset < 0 || (size_t)offset >= memory->size)
        return 0;
    const size_t left = memory->size - (size_t)offset, part = size < left ? size : left;
    memcpy(data, memory->data + offset, part);
    return (ssize_t)part;
}

static int memory_close(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

static void check_model(const struct model *model, size_t size)
{
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct tensor *tensor = &model->tensor[i];
        const uint64_t unit = dtype_bits(tensor->dtype) / 8;
        uint64_t last = 0;
        for (unsigned d = 0; tensor->bytes > 0 && tensor->view != NULL && d < tensor->rank; d++)
            last += (tensor->shape[d] - 1) * tensor->view->stride[d];
        const uint64_t bytes = tensor->view == NULL || tensor->bytes == 0 ? tensor->bytes : (last + 1) * unit;
        if (tensor->offset > size || bytes > size - tensor->offset || tensor->rank > LIMIT_RANK_MAX || tensor->name == NULL)
            abort();
        if (model_find(model, slice_of(tensor->name)) != i)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory memory = {data, size};
    struct file_ops ops = file_posix;
    ops.context = &memory;
    ops.pread = memory_pread;
    ops.close = memory_close;
    const struct file file = {.ops = &ops, .path = "fuzz.bin", .fd = 0, .bytes = size};
    struct model model = {0};
    struct err err = {0};
    uint32_t index;
    (void)torchfile_probe(data, size < TORCHFILE_HEAD_BYTES ? size : TORCHFILE_HEAD_BYTES);
    enum status status = model_add_file(&model, "fuzz.bin", size, &index, &err);
    if (status == STATUS_OK)
        status = torchfile_read(&file, index, &model, &err);
    harness_check(status, &err);
    if (status == STATUS_OK)
        check_model(&model, size);
    model_free(&model);
    return 0;
}
