#include "plan/tile.h"

#include "codec/half.h"
#include "plan/ggufplan.h"
#include "plan/tile_activation.h"
#include "plan/tile_blocks.h"
#include "plan/tile_codes.h"
#include "plan/tile_params.h"

/* --- cutting --------------------------------------------------------------------------------------------------------------- */

/* Stored rows of an output that are whole runs of its layout along the slow axis, and of the source's. */
static uint64_t align_of(const struct plan *plan, const struct output_tensor *output)
{
    const bool zeros = output->step == STEP_ZEROS && plan->spec[output->source].zero_kind == ZERO_CODES;
    if (output->step != STEP_CODES && output->step != STEP_DENSE && !zeros)
        return 1;
    const struct spec *from = &plan->model->weight[output->source].spec, *to = &plan->spec[output->source];
    if (output->step == STEP_DENSE && from->grid != GRID_AFFINE_ZERO && from->grid != GRID_AFFINE_BETA)
        return 1;
    if (output->step == STEP_DENSE)
        return layout_align(layout_row(from->codes_layout), AXIS_OUT);
    const struct layout *own = layout_row(zeros ? to->zeros_layout : to->codes_layout);
    const uint64_t codes = zeros ? layout_align(own, own->slow) : layout_common_align(layout_row(from->codes_layout), own, own->slow);
    return own->pack == own->slow ? layout_words(own, codes) : codes;
}

/* Of a tile's budget: parameters pass through as F32 with their zeros, four to six times the packed bytes, and dense weights as F32 with codes; those
 * that are rounded anew come as 32 bytes a pair. */
static uint64_t room_of(const struct plan *plan, const struct output_tensor *output, uint64_t budget)
{
    const bool derived = plan->model->weight[output->source].origin != NULL;
    switch (output->step) {
    case STEP_CODES:
        return budget;
    case STEP_DENSE:
        return budget / 2;
    case STEP_ZEROS:
        return plan->spec[output->source].zero_kind == ZERO_CODES ? budget / (derived ? 96 : 24) : budget / 12;
    default:
        return derived ? budget / 32 : output->step == STEP_BETA ? budget / 12 : budget / 6;
    }
}

struct tile_cut tile_cut(const struct plan *plan, const struct output_tensor *output, uint64_t budget)
{
    struct tile_cut cut = {0};
    if (output->step == STEP_COPY) {
        cut.row_bytes = plan->big_endian ? ggml_block_bytes(output->type) : 1; /* what is turned, is turned whole */
        cut.rows = output->bytes / cut.row_bytes;
        cut.rows_max = HASH_BLOCK_BYTES / cut.row_bytes;
        return cut;
    }
    if (output->step == STEP_CAST) {
        cut.row_bytes = dtype_bits(output->dtype) / 8;
        cut.rows = output->bytes / cut.row_bytes;
        cut.rows_max = HASH_BLOCK_BYTES / cut.row_bytes;
        return cut;
    }
    if (output->step == STEP_BLOCKS || output->step == STEP_EMBED) {
        const uint64_t align = tile_blocks_align(plan, output);
        cut.rows = ggufplan_rows(output);
        cut.row_bytes = cut.rows == 0 ? 0 : output->bytes / cut.rows;
        cut.rows_max = cut.row_bytes == 0 ? cut.rows : budget / 2 / cut.row_bytes / align * align;
        cut.rows_max = cut.rows_max == 0 ? align : cut.rows_max;
        cut.rows_max = cut.rows_max > cut.rows ? cut.rows : cut.rows_max;
        return cut;
    }
    cut.rows = output->rank == 3 ? output->shape[0] * output->shape[1] : output->shape[0];
    cut.row_bytes = cut.rows == 0 ? 0 : output->bytes / cut.rows;
    const uint64_t align = align_of(plan, output);
    const bool whole = output->step >= STEP_INPUT_SCALE || output->step == STEP_GROUP_OF || output->step == STEP_SHAPE || cut.row_bytes == 0;
    cut.rows_max = whole ? cut.rows : room_of(plan, output, budget) / cut.row_bytes / align * align;
    if (cut.rows_max == 0)
        cut.rows_max = align;
    if (cut.rows_max > cut.rows)
        cut.rows_max = cut.rows;
    return cut;
}

/* --- making ---------------------------------------------------------------------------------------------------------------- */

static enum status make_copy(const struct making *making, struct err *err)
{
    const uint64_t row_bytes = making->row_bytes;
    TRY(fetch_bytes(making->maker->fetch, making->output->source, making->tile.row0 * row_bytes, making->data, making->tile.rows * row_bytes, err));
    return making->output->checked ? tile_blocks_check(making, err) : STATUS_OK;
}

static enum status make_cast(const struct making *making, struct err *err)
{
    const struct output_tensor *output = making->output;
    const struct tensor *source = &making->maker->plan->model->tensor[output->source];
    const uint64_t size = dtype_bits(source->dtype) / 8, target = dtype_bits(output->dtype) / 8, step = UINT64_C(1) << 18;
    uint8_t *raw = scratch_take(making->scratch, SCRATCH_RAW, step * size, err);
    float *values = scratch_take(making->scratch, SCRATCH_SCALE, step * sizeof *values, err);
    if (raw == NULL || values == NULL)
        return STATUS_LIMIT;
    for (uint64_t at = 0; at < making->tile.rows; at += step) {
        const uint64_t count = making->tile.rows - at < step ? making->tile.rows - at : step;
        TRY(fetch_bytes(making->maker->fetch, output->source, (making->tile.row0 + at) * size, raw, count * size, err));
        half_load(source->dtype, raw, (size_t)count, values);
        for (uint64_t i = 0; source->shift != 0 && i < count; i++)
            values[i] += (float)source->shift;
        half_store(output->dtype, values, (size_t)count, making->data + at * target, NULL);
    }
    return STATUS_OK;
}

enum status tile_make(const struct tile_maker *maker, struct tile tile, const struct tile_cut *cut, struct scratch *scratch, uint8_t **data,
                      struct err *err)
{
    const struct output_tensor *output = &maker->plan->tensor[tile.output];
    const bool floats = output->step == STEP_COPY || output->step == STEP_CAST || output->step == STEP_BLOCKS || output->step == STEP_EMBED;
    *data = scratch_take(scratch, SCRATCH_STORE, tile.rows * cut->row_bytes, err);
    if (*data == NULL)
        return STATUS_LIMIT;
    const struct making making = {
        .maker = maker,
        .output = output,
        .weight = floats ? NULL : &maker->plan->model->weight[output->source],
        .spec = floats ? NULL : &maker->plan->spec[output->source],
        .seen = floats ? NULL : &maker->plan->survey->weight[output->source],
        .tile = tile,
        .row_bytes = (size_t)cut->row_bytes,
        .scratch = scratch,
        .data = *data,
    };
    switch (output->step) {
    case STEP_COPY:
        return make_copy(&making, err);
    case STEP_CAST:
        return make_cast(&making, err);
    case STEP_CODES:
        return tile_codes_packed(&making, err);
    case STEP_DENSE:
        return tile_codes_dense(&making, err);
    case STEP_EMBED:
    case STEP_BLOCKS:
        return tile_blocks_make(&making, err);
    case STEP_ZEROS:
        return making.spec->zero_kind == ZERO_CODES ? tile_params_fields(&making, err) : tile_params_matrix(&making, err);
    case STEP_SCALES:
    case STEP_BETA:
        return tile_params_matrix(&making, err);
    case STEP_GROUP_OF:
        return tile_params_group_of(&making, err);
    case STEP_SHAPE:
        return tile_params_shape(&making, err);
    case STEP_INPUT_SCALE:
    case STEP_INPUT_ZERO:
    case STEP_DEQ_SCALE:
    case STEP_QUANT_BIAS:
        return tile_activation_make(&making, err);
    case STEP_COUNT:
        break;
    }
    return err_set(err, STATUS_UNSUPPORTED, output->name, "found an unknown step");
}
