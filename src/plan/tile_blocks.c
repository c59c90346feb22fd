#include "plan/tile_blocks.h"

#include "codec/ggml_codec.h"
#include "codec/ggml_embed.h"
#include "codec/half.h"
#include "plan/ggufplan.h"
#include "plan/values.h"
#include "plan/params.h"

#include <string.h>

#define TILE_VALUES_MAX (UINT64_C(1) << 20) /* in flight */
#define TILE_CODES_MAX (UINT64_C(1) << 25)  /* of rows whose parameters are in flight */

static uint64_t common_multiple(uint64_t a, uint64_t b)
{
    uint64_t x = a, y = b;
    while (y != 0) {
        const uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

uint64_t tile_blocks_align(const struct plan *plan, const struct output_tensor *output)
{
    const struct arranged *arranged = &plan->arrangement->tensor[output->source];
    uint64_t align = arranged->head == 0 ? 1 : arranged->head;
    for (uint32_t w = 0; w < arranged->weight_count; w++) {
        const struct spec *spec = &plan->model->weight[arranged->weight[w]].spec;
        if (spec->grid == GRID_AFFINE_ZERO || spec->grid == GRID_AFFINE_BETA)
            align = common_multiple(align, layout_align(layout_row(spec->codes_layout), AXIS_OUT));
    }
    return align;
}

/* Rows at hand: of weights their values, of a float tensor its bytes, which become values a row at a time, while they are in the cache. */
struct rows {
    float *values;      /* [rows][columns]; of a float tensor [columns] */
    const uint8_t *raw; /* [rows][row_bytes]; NULL: weights */
    uint64_t row_bytes;
    enum dtype dtype;
};

/* Whole rows [row, row + count) of what the output is made of, in the order of the source. */
static enum status load_floats(const struct making *making, uint32_t source, uint64_t row, uint64_t count, struct rows *rows, struct err *err)
{
    const uint64_t columns = ggufplan_columns(making->output);
    rows->dtype = making->maker->plan->model->tensor[source].dtype;
    rows->row_bytes = columns * dtype_bits(rows->dtype) / 8;
    uint8_t *raw = scratch_take(making->scratch, SCRATCH_RAW, count * rows->row_bytes, err);
    rows->values = scratch_take(making->scratch, SCRATCH_VALUE, columns * sizeof *rows->values, err);
    rows->raw = raw;
    if (raw == NULL || rows->values == NULL)
        return STATUS_LIMIT;
    return fetch_bytes(making->maker->fetch, source, row * rows->row_bytes, raw, count * rows->row_bytes, err);
}

/* The values of one of the rows at hand. */
static float *values_of(const struct rows *rows, uint64_t row, uint64_t columns)
{
    if (rows->raw == NULL)
        return rows->values + row * columns;
    half_load(rows->dtype, rows->raw + row * rows->row_bytes, (size_t)columns, rows->values);
    return rows->values;
}

/* Rows of a stack of weights: `count` that are at hand, of `most` that the tile wants of the weight that `row` is in. */
struct stretch {
    uint64_t row, count, most;
};

static enum status load_weights(const struct making *making, const struct arranged *arranged, struct stretch stretch, struct values_ahead *ahead,
                                float **values, struct err *err)
{
    const struct plan *plan = making->maker->plan;
    const uint64_t out = plan->model->weight[arranged->weight[0]].out;
    const uint32_t index = arranged->weight[stretch.row / out];
    struct values_rows rows = {stretch.row % out, stretch.most, plan->survey->weight[index].zero_group_of, NULL, ahead};
    if (rows.out0 == 0) /* another weight than the last */
        ahead->raw.data = NULL;
    TRY(values_read_ahead(making->maker->fetch, &plan->model->weight[index], rows, making->scratch, ahead, err));
    rows.out = stretch.count;
    return values_load(making->maker->fetch, &plan->model->weight[index], rows, making->scratch, values, err);
}

/* The row that is made, and the importance of columns that is at hand: that of one matrix. */
struct weighing {
    float *importance; /* [columns], in SCRATCH_IMPORTANCE; NULL: none */
    uint64_t matrix, row;
};

static enum status weigh_row(const struct making *making, const struct arranged *arranged, uint64_t row, struct weighing *weighing, struct err *err)
{
    const uint64_t columns = ggufplan_columns(making->output), matrix = arranged->rank < 2 ? 0 : row / arranged->shape[arranged->rank - 2];
    weighing->row = row;
    if (arranged->importance == NULL || (weighing->importance != NULL && weighing->matrix == matrix))
        return STATUS_OK;
    weighing->importance = scratch_take(making->scratch, SCRATCH_IMPORTANCE, columns * sizeof(float), err);
    weighing->matrix = matrix;
    if (weighing->importance == NULL)
        return STATUS_LIMIT;
    const struct imatrix *imatrix = making->maker->plan->arrangement->imatrix;
    return imatrix_load(imatrix, arranged->importance, matrix * columns, columns, weighing->importance, err);
}

/* A row that ggml makes no blocks of. */
static enum status refuse_row(const struct making *making, const float *values, const struct weighing *weighing, struct err *err)
{
    const struct output_tensor *output = making->output;
    const unsigned long long row = weighing->row;
    const uint64_t columns = ggufplan_columns(output);
    for (uint64_t i = 0; i < columns; i++)
        if (!ggml_codec_finite(values + i, 1))
            return err_set(err, STATUS_CORRUPT, output->name, "found %g in row %llu, column %llu, expected a number (R-NONFINITE)", (double)values[i], row,
                           (unsigned long long)i);
    (void)err_set(err, STATUS_CORRUPT, output->name, "found row %llu, whose values%s give no finite scale of %s (R-NONFINITE)", row,
                  weighing->importance != NULL ? " and their importance" : "", ggml_name(output->type));
    return err_try(err, "--tensor-type with a pattern that names it and =BF16, or =F32");
}

/* One row of values to its place; plus_one changes them. */
static enum status store_row(const struct making *making, const struct arranged *arranged, const struct weighing *weighing, float *values, uint8_t *place,
                             struct err *err)
{
    const uint64_t columns = ggufplan_columns(making->output);
    const bool half = arranged->plus_one && making->maker->plan->model->tensor[arranged->source].dtype == DTYPE_F16;
    for (uint64_t i = 0; arranged->plus_one && i < columns; i++)
        values[i] = half ? half_from_f16(half_to_f16(values[i] + 1.0f)) : values[i] + 1.0f;
    if (making->output->dtype != DTYPE_NONE && !arranged->chosen) {
        half_store(making->output->dtype, values, (size_t)columns, place, NULL);
        return STATUS_OK;
    }
    const struct ggml_codec_row stored = {values, weighing->importance, columns};
    if (ggml_codec_finite(values, columns) && ggml_codec_quantize(making->output->type, &stored, &making->maker->plan->grids, place) &&
        ggml_codec_valid(making->output->type, place, columns))
        return STATUS_OK;
    return refuse_row(making, values, weighing, err);
}

/* Rows of MXFP4 into ggml's blocks: head rows may turn. */
static enum status embed_mxfp4(const struct making *making, const struct arranged *arranged, uint64_t row, uint64_t count, uint8_t *place, struct err *err)
{
    const struct fetch *fetch = making->maker->fetch;
    const struct weight *weight = &fetch->model->weight[arranged->weight[row / fetch->model->weight[arranged->weight[0]].out]];
    const uint64_t blocks = weight->groups, out0 = row % weight->out;
    uint8_t *nibbles = scratch_take(making->scratch, SCRATCH_CODES, count * blocks * 16, err);
    uint8_t *exponents = scratch_take(making->scratch, SCRATCH_SCALE, count * blocks, err);
    if (nibbles == NULL || exponents == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, weight->role[ROLE_CODES], out0 * blocks * 16, nibbles, count * blocks * 16, err));
    TRY(fetch_bytes(fetch, weight->role[ROLE_SCALES], out0 * blocks, exponents, count * blocks, err));
    for (uint64_t r = 0; r < count; r++) {
        const uint64_t from = view_turned(arranged->head == 0 ? TURN_NONE : TURN_TO_PAIRS, arranged->head, r);
        ggml_embed_mxfp4(nibbles + from * blocks * 16, exponents + from * blocks, blocks, place + r * making->row_bytes);
    }
    return STATUS_OK;
}

/* Whether the source stores the codes of a column one after another: pieces of it are long where many rows are read, of few columns. */
static bool lies_by_columns(const struct weight *weight)
{
    const bool affine = weight->spec.grid == GRID_AFFINE_ZERO || weight->spec.grid == GRID_AFFINE_BETA;
    return affine && weight->origin == NULL && weight->column_order == NULL && layout_row(weight->spec.codes_layout)->slow == AXIS_IN;
}

/* Columns that are read at a time: all of them, or as few as make whole blocks, groups and runs of the layout. */
static uint64_t columns_at_once(const struct weight *weight, enum ggml_type type)
{
    if (!lies_by_columns(weight))
        return weight->in;
    const uint64_t unit = common_multiple(ggml_block_elements(type), layout_align(layout_row(weight->spec.codes_layout), AXIS_IN));
    return weight->groups == 1 ? unit : common_multiple(unit, weight->spec.group);
}

/* Codes of whole rows [row, row + count) of a stack of weights into blocks, as they are. */
static enum status embed_rows(const struct making *making, const struct arranged *arranged, uint64_t row, uint64_t count, uint8_t *place, struct err *err)
{
    const struct plan *plan = making->maker->plan;
    const enum ggml_type type = making->output->type;
    const uint64_t out = plan->model->weight[arranged->weight[0]].out;
    const struct weight *weight = &plan->model->weight[arranged->weight[row / out]];
    const struct survey_weight *seen = &plan->survey->weight[arranged->weight[row / out]];
    struct params params;
    struct codes codes;
    uint32_t *group_of;
    if (type == GGML_MXFP4)
        return embed_mxfp4(making, arranged, row, count, place, err);
    TRY(decode_group_of(making->maker->fetch, weight, seen->zero_group_of, making->scratch, &group_of, err));
    TRY(params_load(making->maker->fetch, weight, (struct area){row % out, count, 0, weight->groups}, making->scratch, &params, err));
    const bool betas = params.beta != NULL && seen->groups.fractions > 0;
    const uint64_t step = columns_at_once(weight, type);
    for (uint64_t column = 0; column < weight->in; column += step) {
        const struct area area = {row % out, count, column, weight->in - column < step ? weight->in - column : step};
        TRY(decode_codes(making->maker->fetch, weight, area, making->scratch, &codes, err));
        for (uint64_t r = 0; r < count; r++) {
            const uint64_t from = view_turned(arranged->head == 0 ? TURN_NONE : TURN_TO_PAIRS, arranged->head, r);
            const uint64_t first = from * weight->groups;
            const struct ggml_embed_row given = {codes.data + from * codes.stride, params.scale + first, params.zero + first,
                                                 betas ? params.beta + first : NULL, group_of + column, area.in};
            ggml_embed_row(type, &given, place + r * making->row_bytes + column / ggml_block_elements(type) * ggml_block_bytes(type));
        }
    }
    return STATUS_OK;
}

/* Rows that are made at a time: their values, or codes, and parameters are at hand. */
static uint64_t rows_at_once(const struct making *making, const struct arranged *arranged, uint64_t align)
{
    const uint64_t columns = ggufplan_columns(making->output);
    uint64_t fit = TILE_VALUES_MAX / (columns + 1);
    if (making->output->step == STEP_EMBED && making->output->type != GGML_MXFP4) {
        const struct weight *weight = &making->maker->plan->model->weight[arranged->weight[0]];
        const uint64_t most = TILE_CODES_MAX / (columns + 1);
        fit = lies_by_columns(weight) ? TILE_VALUES_MAX / columns_at_once(weight, making->output->type) : fit;
        fit = fit < most ? fit : most;
    }
    return fit / align == 0 ? align : fit / align * align;
}

/* The blocks from byte `from` of the output on, of which data holds `count`. */
static enum status check_blocks(const struct output_tensor *output, uint64_t from, const uint8_t *data, uint64_t count, struct err *err)
{
    const uint64_t size = ggml_block_elements(output->type), bytes = ggml_block_bytes(output->type);
    if (ggml_codec_valid(output->type, data, count * size))
        return STATUS_OK;
    uint64_t bad = 0;
    while (bad + 1 < count && ggml_codec_valid(output->type, data + bad * bytes, size))
        bad++;
    const uint64_t element = (from / bytes + bad) * size, columns = ggufplan_columns(output);
    const bool plain = ggml_kind(output->type) != GGML_KIND_BLOCK;
    return err_set(err, STATUS_CORRUPT, output->name, "found %s that is NaN or infinite in row %llu, column %llu, of type %s (R-NONFINITE)",
                   plain ? "a value" : "the scale of a block", (unsigned long long)(element / columns), (unsigned long long)(element % columns),
                   ggml_name(output->type));
}

enum status tile_blocks_check(const struct making *making, struct err *err)
{
    const struct output_tensor *output = making->output;
    const uint64_t bytes = ggml_block_bytes(output->type), begin = making->tile.row0 * making->row_bytes, end = begin + making->tile.rows * making->row_bytes;
    const uint64_t first = (begin + bytes - 1) / bytes * bytes, last = end / bytes * bytes;
    uint8_t block[GGML_BLOCK_BYTES_MAX];
    if (first < last)
        TRY(check_blocks(output, first, making->data + (first - begin), (last - first) / bytes, err));
    if (last < begin || last == end) /* a tile ends at a byte: the block there is whole only in the source */
        return STATUS_OK;
    TRY(fetch_bytes(making->maker->fetch, output->source, last, block, bytes, err));
    return check_blocks(output, last, block, 1, err);
}

enum status tile_blocks_make(const struct making *making, struct err *err)
{
    const struct plan *plan = making->maker->plan;
    const struct arranged *arranged = &plan->arrangement->tensor[making->output->source];
    const uint64_t columns = ggufplan_columns(making->output), align = tile_blocks_align(plan, making->output);
    const uint64_t step = rows_at_once(making, arranged, align);
    const uint64_t part = arranged->weight_count > 0 ? plan->model->weight[arranged->weight[0]].out : UINT64_MAX;
    struct weighing weighing = {0};
    struct values_ahead ahead = {.step = step, .bytes_max = VALUES_AHEAD_BYTES};
    for (uint64_t done = 0; done < making->tile.rows;) {
        const uint64_t row = making->tile.row0 + done, whole = part - row % part, left = making->tile.rows - done;
        const uint64_t most = left < whole ? left : whole, count = most < step ? most : step;
        struct rows rows = {0};
        if (making->output->step == STEP_EMBED) {
            TRY(embed_rows(making, arranged, row, count, making->data + done * making->row_bytes, err));
            done += count;
            continue;
        }
        TRY(arranged->source != MODEL_NONE ? load_floats(making, arranged->source, row, count, &rows, err)
                                           : load_weights(making, arranged, (struct stretch){row, count, most}, &ahead, &rows.values, err));
        for (uint64_t r = 0; r < count; r++) { /* heads are whole: a turned row stays among those at hand */
            const uint64_t from = view_turned(arranged->head == 0 ? TURN_NONE : TURN_TO_PAIRS, arranged->head, r);
            TRY(weigh_row(making, arranged, row + r, &weighing, err));
            TRY(store_row(making, arranged, &weighing, values_of(&rows, from, columns), making->data + (done + r) * making->row_bytes, err));
        }
        done += count;
    }
    return STATUS_OK;
}
