#include "plan/fetch.h"

#include "base/checked.h"
#include "codec/ggml_field.h"
#include "codec/ggml_swap.h"
#include "plan/strided.h"

#include <stdlib.h>
#include <string.h>

#define FETCH_FIELDS_BYTES 32768 /* of blocks at a time */
#define FETCH_TURNS_BYTES 32768  /* of rows at a time, of which every other is wanted */

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
        TRY(open_one(fetch, i, model->ops != NULL ? model->ops : ops, err));
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

/* Of a view whose halves take turns in the only piece: as many whole rows from `row` on as one read holds with those between them. */
static enum status fetch_turns(const struct fetch *fetch, const struct view *view, uint64_t row, uint8_t *data, uint64_t *size, struct err *err)
{
    uint8_t span[FETCH_TURNS_BYTES];
    const uint64_t bytes = view->piece_bytes, half = view->head / 2, left = half - row % half, whole = *size / bytes, fit = (sizeof span / bytes + 1) / 2;
    const uint64_t most = left < whole ? left : whole, count = most < fit ? most : fit;
    const uint64_t first = view->piece[0].row0 + view_turned(view->turn, view->head, row);
    TRY(fetch_bytes(fetch, view->piece[0].tensor, first * bytes, span, (2 * count - 1) * bytes, err));
    for (uint64_t r = 0; r < count; r++)
        memcpy(data + r * bytes, span + 2 * r * bytes, (size_t)bytes);
    *size = count * bytes;
    return STATUS_OK;
}

/* Bytes of a view, as runs that lie together in a piece: many rows at once where they stand in order, else a part of a row. The depth of views in views is
 * that of the readers that made them. */
static enum status fetch_view(const struct fetch *fetch, const struct view *view, uint64_t offset, uint8_t *data, uint64_t size, struct err *err)
{
    const uint64_t line = view->piece_bytes * view->across, rows = view->rows;
    const bool in_order = view->across == 1 && view->turn == TURN_NONE;
    const bool turns = view->turn == TURN_TO_HALVES && view->down == 1 && view->piece_bytes <= FETCH_TURNS_BYTES / 3;
    while (size > 0) {
        if (turns && offset % line == 0 && size >= line) {
            uint64_t done = size;
            TRY(fetch_turns(fetch, view, offset / line, data, &done, err));
            data += done;
            offset += done;
            size -= done;
            continue;
        }
        const uint64_t row = view_turned(view->turn, view->head, offset / line), column = offset % line / view->piece_bytes, at = offset % view->piece_bytes;
        const uint64_t left = (in_order ? (rows - row % rows) * view->piece_bytes : view->piece_bytes) - at, run = left < size ? left : size;
        const struct view_piece *piece = &view->piece[row / rows * view->across + column];
        TRY(fetch_bytes(fetch, piece->tensor, (piece->row0 + row % rows) * view->piece_bytes + at, data, run, err));
        data += run;
        offset += run;
        size -= run;
    }
    return STATUS_OK;
}

/* The field of one block as it is meant: where it stands, or in `place` of GGML_FIELD_CODES bytes. */
static const uint8_t *unfolded(const struct view *view, const uint8_t *field, uint8_t *place)
{
    if (view->unfold == UNFOLD_NONE)
        return field;
    if (view->unfold == UNFOLD_NIBBLES)
        ggml_field_pairs(field, place);
    else
        ggml_field_five(field, place);
    return place;
}

/* Fields of blocks: whole blocks are read, some at a time, and their fields put together. */
static enum status fetch_fields(const struct fetch *fetch, const struct view *view, uint64_t offset, uint8_t *data, uint64_t size, struct err *err)
{
    uint8_t blocks[FETCH_FIELDS_BYTES];
    const uint64_t most = sizeof blocks / view->field_stride;
    if (most == 0)
        return err_set(err, STATUS_UNSUPPORTED, "view", "found blocks of %llu bytes", (unsigned long long)view->field_stride);
    while (size > 0) {
        const uint64_t first = offset / view->field_bytes, end = checked_div_up(offset + size, view->field_bytes);
        const uint64_t count = end - first < most ? end - first : most;
        TRY(fetch_bytes(fetch, view->piece[0].tensor, first * view->field_stride, blocks, count * view->field_stride, err));
        for (uint64_t b = 0; b < count && size > 0; b++) {
            const uint64_t at = offset % view->field_bytes, run = view->field_bytes - at < size ? view->field_bytes - at : size;
            uint8_t place[GGML_FIELD_CODES];
            memcpy(data, unfolded(view, blocks + b * view->field_stride + view->piece[0].row0, place) + at, (size_t)run);
            data += run;
            offset += run;
            size -= run;
        }
    }
    return STATUS_OK;
}

/* Of a big-endian file: whole blocks are turned in place, those that an edge cuts beside it. */
static enum status fetch_swapped(const struct fetch *fetch, const struct tensor *stored, uint64_t offset, uint8_t *data, uint64_t size, struct err *err)
{
    const enum ggml_type type = (enum ggml_type)(stored->swapped - 1);
    const uint64_t block_bytes = ggml_block_bytes(type);
    uint8_t block[GGML_BLOCK_BYTES_MAX];
    if (block_bytes == 0 || block_bytes > sizeof block)
        return err_set(err, STATUS_UNSUPPORTED, stored->name, "found blocks of %llu bytes in a big-endian file", (unsigned long long)block_bytes);
    while (size > 0) {
        const uint64_t at = offset % block_bytes, rest = block_bytes - at < size ? block_bytes - at : size;
        const bool whole = at == 0 && size >= block_bytes;
        const uint64_t run = whole ? size / block_bytes * block_bytes : rest;
        uint8_t *place = whole ? data : block;
        const uint64_t bytes = whole ? run : block_bytes;
        TRY(file_read(&fetch->file[stored->file], place, (size_t)bytes, stored->offset + offset - at, err));
        (void)ggml_swap(type, place, (size_t)bytes); /* it has a size */
        if (!whole)
            memcpy(data, block + at, (size_t)run);
        data += run;
        offset += run;
        size -= run;
    }
    return STATUS_OK;
}

static enum status fetch_stored(const struct fetch *fetch, uint32_t tensor, uint64_t offset, uint8_t *data, uint64_t size, struct err *err)
{
    const struct tensor *stored = &fetch->model->tensor[tensor];
    if (stored->view == NULL && stored->swapped != 0)
        return fetch_swapped(fetch, stored, offset, data, size, err);
    if (stored->view == NULL)
        return file_read(&fetch->file[stored->file], data, (size_t)size, stored->offset + offset, err);
    if (stored->view->stride != NULL)
        return strided_read(&fetch->file[stored->file], stored, offset, data, size, err);
    if (stored->view->field_stride > 0)
        return fetch_fields(fetch, stored->view, offset, data, size, err);
    if (stored->view->literal == NULL)
        return fetch_view(fetch, stored->view, offset, data, size, err);
    memcpy(data, (const uint8_t *)stored->view->literal + offset, (size_t)size);
    return STATUS_OK;
}

/* Rows in an order of their own, as runs of rows that lie together. */
static enum status fetch_ordered(const struct fetch *fetch, uint32_t tensor, uint64_t offset, uint8_t *data, uint64_t size, struct err *err)
{
    const struct tensor *stored = &fetch->model->tensor[tensor];
    const uint64_t row_bytes = stored->bytes / stored->shape[0];
    while (size > 0) {
        const uint64_t row = offset / row_bytes, at = offset % row_bytes;
        uint64_t rows = 1;
        while (rows * row_bytes < at + size && stored->order[row + rows] == stored->order[row] + rows)
            rows++;
        const uint64_t left = rows * row_bytes - at, run = left < size ? left : size;
        TRY(fetch_stored(fetch, tensor, stored->order[row] * row_bytes + at, data, run, err));
        data += run;
        offset += run;
        size -= run;
    }
    return STATUS_OK;
}

enum status fetch_bytes(const struct fetch *fetch, uint32_t tensor, uint64_t offset, void *data, uint64_t size, struct err *err)
{
    return fetch->model->tensor[tensor].order != NULL ? fetch_ordered(fetch, tensor, offset, data, size, err)
                                                      : fetch_stored(fetch, tensor, offset, data, size, err);
}

enum status fetch_rect(const struct fetch *fetch, uint32_t tensor, uint64_t row_bytes, struct layout_rect rect, uint8_t *data, struct err *err)
{
    if (rect.bytes == row_bytes)
        return fetch_bytes(fetch, tensor, rect.row0 * row_bytes, data, rect.rows * row_bytes, err);
    for (uint64_t row = 0; row < rect.rows; row++)
        TRY(fetch_bytes(fetch, tensor, (rect.row0 + row) * row_bytes + rect.byte0, data + row * rect.bytes, rect.bytes, err));
    return STATUS_OK;
}
