/* Elements come in as few reads as their strides allow: a row that stands in order at once; of a transposed matrix, or every other column of one, a run down
 * each column, for many rows; of anything else as many of a row's elements as one buffer spans. */
#include "plan/strided.h"

#include <string.h>

enum { SPAN_BYTES = 1 << 16 };

/* Where elements `first` to `first + count` of a tensor go. */
struct strided {
    const struct file *file;
    const struct tensor *tensor;
    uint64_t unit;                   /* bytes of an element */
    uint64_t columns, column_stride; /* the innermost dimension, or 1 */
    uint64_t rows, row_stride;       /* the one around it, or 1 */
};

/* Copies count elements, `step` elements apart in from and `apart` in to. */
static void scatter(const struct strided *s, const uint8_t *from, uint64_t step, uint8_t *to, uint64_t apart, uint64_t count)
{
    const uint64_t unit = s->unit;
    if (s->tensor->view->swap) {
        for (uint64_t i = 0; i < count; i++)
            for (uint64_t b = 0; b < unit; b++)
                to[i * apart * unit + b] = from[i * step * unit + unit - 1 - b];
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        memcpy(to + i * apart * unit, from + i * step * unit, unit);
}

/* The place of an element, in elements from the tensor's offset, and its row and column. */
static uint64_t place(const struct strided *s, uint64_t element, uint64_t *row, uint64_t *column)
{
    const struct tensor *tensor = s->tensor;
    uint64_t at = 0;
    *row = *column = 0;
    for (unsigned d = tensor->rank; d-- > 0;) {
        const uint64_t index = element % tensor->shape[d];
        at += index * tensor->view->stride[d];
        element /= tensor->shape[d];
        if (d + 1 == tensor->rank)
            *column = index;
        if (d + 2 == tensor->rank)
            *row = index;
    }
    return at;
}

static enum status read_at(const struct strided *s, uint64_t at, void *data, uint64_t elements, struct err *err)
{
    return file_read(s->file, data, (size_t)(elements * s->unit), s->tensor->offset + at * s->unit, err);
}

/* Elements from `first` on, at most `count`; *done is how many. */
static enum status read_some(const struct strided *s, uint64_t first, uint64_t count, uint8_t *data, uint64_t *done, struct err *err)
{
    uint8_t span[SPAN_BYTES];
    uint64_t row, column;
    const uint64_t at = place(s, first, &row, &column), room = SPAN_BYTES / s->unit, left = s->columns - column, most = left < count ? left : count;
    if (s->column_stride == 1 && !s->tensor->view->swap) {
        *done = most;
        return read_at(s, at, data, most, err);
    }
    uint64_t rows = s->rows - row < count / s->columns ? s->rows - row : count / s->columns;
    const uint64_t deep = s->row_stride == 0 ? rows : (room - 1) / s->row_stride + 1;
    rows = rows < deep ? rows : deep;
    if (column == 0 && s->row_stride > 0 && s->row_stride < s->column_stride && rows > 1) {
        for (uint64_t c = 0; c < s->columns; c++) {
            TRY(read_at(s, at + c * s->column_stride, span, (rows - 1) * s->row_stride + 1, err));
            scatter(s, span, s->row_stride, data + c * s->unit, s->columns, rows);
        }
        *done = rows * s->columns;
        return STATUS_OK;
    }
    const uint64_t fit = s->column_stride == 0 ? most : (room - 1) / s->column_stride + 1;
    *done = fit < most ? fit : most;
    TRY(read_at(s, at, span, (*done - 1) * s->column_stride + 1, err));
    scatter(s, span, s->column_stride, data, 1, *done);
    return STATUS_OK;
}

static enum status read_elements(const struct strided *s, uint64_t first, uint64_t count, uint8_t *data, struct err *err)
{
    while (count > 0) {
        uint64_t done;
        TRY(read_some(s, first, count, data, &done, err));
        first += done;
        count -= done;
        data += done * s->unit;
    }
    return STATUS_OK;
}

enum status strided_read(const struct file *file, const struct tensor *tensor, uint64_t offset, void *data, uint64_t size, struct err *err)
{
    const unsigned rank = tensor->rank;
    const uint64_t *stride = tensor->view->stride;
    struct strided s = {.file = file, .tensor = tensor, .unit = dtype_bits(tensor->dtype) / 8, .columns = 1, .rows = 1, .column_stride = 1};
    uint8_t *to = data;
    if (rank > 0) {
        s.columns = tensor->shape[rank - 1];
        s.column_stride = stride[rank - 1];
    }
    if (rank > 1) {
        s.rows = tensor->shape[rank - 2];
        s.row_stride = stride[rank - 2];
    }
    while (size > 0) { /* a range may begin or end within an element */
        const uint64_t within = offset % s.unit;
        if (within == 0 && size >= s.unit) {
            const uint64_t whole = size / s.unit;
            TRY(read_elements(&s, offset / s.unit, whole, to, err));
            to += whole * s.unit;
            offset += whole * s.unit;
            size -= whole * s.unit;
            continue;
        }
        uint8_t one[16];
        const uint64_t part = s.unit - within < size ? s.unit - within : size;
        TRY(read_elements(&s, offset / s.unit, 1, one, err));
        memcpy(to, one + within, (size_t)part);
        to += part;
        offset += part;
        size -= part;
    }
    return STATUS_OK;
}
