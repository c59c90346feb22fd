#include "plan/fetch.h"

#include <stdlib.h>
#include <string.h>

static enum status open_one(struct fetch *fetch, size_t index, const struct file_ops *ops, struct err *err)
{
    const struct model *model = fetch->model;
    const size_t size = strlen(model->dir) + strlen(model->file[index].name) + 2;
    char *path = mem_alloc(size, 1, err);
    if (path == NULL)
        return STATUS_LIMIT;
    fetch->path[index] = path;
    (void)strcat(strcat(strcpy(path, model->dir), "/"), model->file[index].name);
    TRY(file_open_read(&fetch->file[index], ops, path, err));
    if (fetch->file[index].bytes == model->file[index].bytes)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, path, "found %llu bytes, expected the %llu that were there a moment ago", (unsigned long long)fetch->file[index].bytes,
                   (unsigned long long)model->file[index].bytes);
}

enum status fetch_open(struct fetch *fetch, const struct file_ops *ops, const struct model *model, struct err *err)
{
    *fetch = (struct fetch){.model = model};
    fetch->file = mem_alloc(model->file_count + 1, sizeof *fetch->file, err);
    fetch->path = mem_alloc(model->file_count + 1, sizeof *fetch->path, err);
    if (fetch->file == NULL || fetch->path == NULL)
        return STATUS_LIMIT;
    for (size_t i = 0; i < model->file_count; i++)
        fetch->file[i].fd = -1;
    for (size_t i = 0; i < model->file_count; i++)
        TRY(open_one(fetch, i, ops, err));
    return STATUS_OK;
}

void fetch_close(struct fetch *fetch)
{
    for (size_t i = 0; fetch->model != NULL && i < fetch->model->file_count; i++) {
        if (fetch->file != NULL && fetch->path != NULL && fetch->path[i] != NULL)
            file_drop(&fetch->file[i]);
        if (fetch->path != NULL)
            free(fetch->path[i]);
    }
    free(fetch->file);
    free(fetch->path);
    *fetch = (struct fetch){0};
}

enum status fetch_bytes(const struct fetch *fetch, uint32_t tensor, uint64_t offset, void *data, uint64_t size, struct err *err)
{
    const struct tensor *stored = &fetch->model->tensor[tensor];
    return file_read(&fetch->file[stored->file], data, (size_t)size, stored->offset + offset, err);
}

enum status fetch_rect(const struct fetch *fetch, uint32_t tensor, uint64_t row_bytes, struct layout_rect rect, uint8_t *data, struct err *err)
{
    if (rect.bytes == row_bytes)
        return fetch_bytes(fetch, tensor, rect.row0 * row_bytes, data, rect.rows * row_bytes, err);
    for (uint64_t row = 0; row < rect.rows; row++)
        TRY(fetch_bytes(fetch, tensor, (rect.row0 + row) * row_bytes + rect.byte0, data + row * rect.bytes, rect.bytes, err));
    return STATUS_OK;
}
