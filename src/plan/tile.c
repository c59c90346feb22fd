#include "plan/tile.h"

#include "base/checked.h"
#include "base/le.h"
#include "codec/group.h"
#include "codec/half.h"
#include "plan/decode.h"

#include <string.h>

/* Sub-blocks of codes on their way through: canonical codes of 128 x 512 are 64 KiB, which the second-level cache holds with both sides; 128 output
 * channels are 64 bytes of packed words, a whole cache line. */
#define TILE_OUT_STEP UINT64_C(128)
#define TILE_IN_STEP UINT64_C(512)

/* --- cutting --------------------------------------------------------------------------------------------------------------- */

static uint64_t least_common_multiple(uint64_t a, uint64_t b)
{
    uint64_t x = a, y = b;
    while (y != 0) {
        const uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

/* Codes along an axis that fill whole words of both layouts. */
static uint64_t run_along(const struct layout *a, const struct layout *b, enum axis axis)
{
    return least_common_multiple(a->pack == axis ? layout_run(a) : 1, b->pack == axis ? layout_run(b) : 1);
}

/* Stored rows of the target that are whole runs of both layouts along the target's slow axis. */
static uint64_t align_of(const struct plan *plan, const struct output_tensor *output)
{
    if (output->step != STEP_CODES)
        return 1;
    const struct layout *from = layout_row(plan->model->weight[output->source].spec.codes_layout);
    const struct layout *to = layout_row(plan->spec[output->source].codes_layout);
    const uint64_t codes = run_along(from, to, to->slow);
    return to->pack == to->slow ? codes * to->field_bits / to->word_bits : codes;
}

struct tile_cut tile_cut(const struct plan *plan, const struct output_tensor *output, uint64_t budget)
{
    struct tile_cut cut = {0};
    if (output->step == STEP_COPY) {
        cut.row_bytes = 1;
        cut.rows = output->bytes;
        cut.rows_max = HASH_BLOCK_BYTES;
        return cut;
    }
    if (output->step == STEP_CAST) {
        cut.row_bytes = dtype_bits(output->dtype) / 8;
        cut.rows = output->bytes / cut.row_bytes;
        cut.rows_max = HASH_BLOCK_BYTES / cut.row_bytes;
        return cut;
    }
    cut.rows = output->shape[0];
    cut.row_bytes = cut.rows == 0 ? 0 : output->bytes / cut.rows;
    const uint64_t align = align_of(plan, output);
    /* Parameters pass through as F32 with their zeros: four to six times the packed bytes. */
    const uint64_t room = output->step == STEP_CODES ? budget : budget / (output->step == STEP_ZEROS ? 24 : 6);
    cut.rows_max = output->step == STEP_GROUP_OF || cut.row_bytes == 0 ? cut.rows : room / cut.row_bytes / align * align;
    if (cut.rows_max == 0)
        cut.rows_max = align;
    if (cut.rows_max > cut.rows)
        cut.rows_max = cut.rows;
    return cut;
}

/* --- making ---------------------------------------------------------------------------------------------------------------- */

/* A tile under way: what every kind of step needs. */
struct making {
    const struct tile_maker *maker;
    const struct output_tensor *output;
    const struct weight *weight; /* NULL for COPY and CAST, as spec */
    const struct spec *spec;     /* of the weight in the target */
    struct tile tile;
    size_t row_bytes;
    struct scratch *scratch;
    uint8_t *data;               /* tile.rows * row_bytes, to be filled */
};

static enum status make_copy(const struct making *making, struct err *err)
{
    return fetch_bytes(making->maker->fetch, making->output->source, making->tile.row0, making->data, making->tile.rows, err);
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
        half_store(output->dtype, values, (size_t)count, making->data + at * target, NULL);
    }
    return STATUS_OK;
}

/* The part of a weight that a tile holds: its rows run along the target's slow axis. */
static struct area area_of(const struct layout *to, const struct weight *weight, struct tile tile)
{
    const uint64_t codes_a_row = to->pack == to->slow ? (uint64_t)to->word_bits / to->field_bits : 1;
    const uint64_t first = tile.row0 * codes_a_row, count = tile.rows * codes_a_row;
    return to->slow == AXIS_IN ? (struct area){0, weight->out, first, count} : (struct area){first, count, 0, weight->in};
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

/* Codes of `chunk`, loaded as `raw`, go to their places in the tile by sub-blocks that stay in cache. */
static enum status pack_chunk(const struct making *making, struct area whole, struct area chunk, struct stored raw, struct err *err)
{
    const struct layout *to = layout_row(making->spec->codes_layout);
    /* A code that gets more bits moves with the middle of its range. */
    const unsigned add = (1u << (making->spec->bits - 1)) - (1u << (making->weight->spec.bits - 1));
    uint8_t *block = scratch_take(making->scratch, SCRATCH_CODES, TILE_OUT_STEP * TILE_IN_STEP, err);
    if (block == NULL)
        return STATUS_LIMIT;
    for (uint64_t o = 0; o < chunk.out; o += TILE_OUT_STEP) {
        for (uint64_t i = 0; i < chunk.in; i += TILE_IN_STEP) {
            const struct area part = {chunk.out0 + o, at_most(TILE_OUT_STEP, chunk.out - o), chunk.in0 + i, at_most(TILE_IN_STEP, chunk.in - i)};
            const struct codes codes = {block, (size_t)part.in};
            TRY(decode_part(making->weight, chunk, raw, part, codes, err));
            for (uint64_t k = 0; add != 0 && k < part.out * part.in; k++)
                block[k] = (uint8_t)(block[k] + add);
            const struct layout_rect at = layout_rect(to, part.out0 - whole.out0, part.out, part.in0 - whole.in0, part.in);
            const struct stored place = {making->data + at.row0 * making->row_bytes + at.byte0, making->row_bytes};
            pack_codes(to, codes, (size_t)part.out, (size_t)part.in, place);
        }
    }
    return STATUS_OK;
}

/* Reads along the source's slow axis, so that pieces are as long as the tile allows, and packs each chunk while it is in cache. */
static enum status make_codes(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    const struct layout *from = layout_row(weight->spec.codes_layout);
    const struct area area = area_of(layout_row(making->spec->codes_layout), weight, making->tile);
    const bool along_out = from->slow == AXIS_OUT;
    const uint64_t length = along_out ? area.out : area.in, across = along_out ? area.in : area.out;
    /* One step across the slow axis is `across` fields; a chunk is a multiple of 128 channels or columns, which every run divides. */
    const uint64_t step_bytes = across * from->field_bits / 8 + 1, steps = making->maker->chunk_bytes / step_bytes / TILE_OUT_STEP * TILE_OUT_STEP;
    const uint64_t step = steps == 0 ? TILE_OUT_STEP : steps;
    for (uint64_t at = 0; at < length; at += step) {
        const uint64_t count = at_most(step, length - at);
        const struct area chunk = along_out ? (struct area){area.out0 + at, count, area.in0, area.in}
                                            : (struct area){area.out0, area.out, area.in0 + at, count};
        struct stored raw = {0};
        TRY(decode_raw(making->maker->fetch, weight, chunk, making->scratch, &raw, err));
        TRY(pack_chunk(making, area, chunk, raw, err));
    }
    return STATUS_OK;
}

/* The source groups that target groups [group0, group0 + groups) come from; target groups a source group is `ratio`. */
struct group_range {
    uint64_t first, count, ratio;
};

static struct group_range source_groups(const struct making *making)
{
    const uint64_t ratio = making->weight->spec.group / making->spec->group; /* gap decided: it divides */
    const uint64_t first = making->tile.row0 / ratio, last = (making->tile.row0 + making->tile.rows - 1) / ratio;
    return (struct group_range){first, last - first + 1, ratio};
}

/* Scales of target groups [row0, row0 + rows) as [group][out]. */
static enum status make_scales(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    const struct spec *spec = making->spec;
    const struct group_range range = source_groups(making);
    const struct area area = {0, weight->out, range.first, range.count};
    const size_t size = dtype_bits(spec->scale_dtype) / 8, out = (size_t)weight->out;
    const void *stored;
    void *own;
    TRY(decode_scales(making->maker->fetch, weight, area, making->scratch, &own, err));
    stored = own;
    if (spec->scale_dtype != weight->spec.scale_dtype) {
        float *values = scratch_take(making->scratch, SCRATCH_SCALE, area.out * area.in * sizeof *values, err);
        void *cast = scratch_take(making->scratch, SCRATCH_OFFSET, area.out * area.in * size, err);
        if (values == NULL || cast == NULL)
            return STATUS_LIMIT;
        half_load(weight->spec.scale_dtype, own, (size_t)(area.out * area.in), values);
        half_store(spec->scale_dtype, values, (size_t)(area.out * area.in), cast, NULL);
        stored = cast;
    }
    /* One row at a time when groups are refined, all at once when they are not. */
    const uint64_t rows = range.ratio == 1 ? making->tile.rows : 1;
    for (uint64_t g = 0; g < making->tile.rows; g += rows) {
        const uint64_t source = (making->tile.row0 + g) / range.ratio - range.first;
        group_transpose((struct group_matrix){(const uint8_t *)stored + source * size, (size_t)range.count}, out, (size_t)rows, size,
                        making->data + g * out * size, out);
    }
    return STATUS_OK;
}

/* The field that stands for a zero. gap decided that those of live groups fit; a dead group's takes the middle where it does not, and so never spills
 * into its neighbour's field. */
static uint8_t field_of(int32_t zero, const struct spec *spec)
{
    const int32_t stored_less = spec->zero_rule == ZERO_PLAIN ? 0 : 1, most = (1 << spec->bits) - 1;
    const int32_t held = zero < stored_less || zero > most ? 1 << (spec->bits - 1) : zero;
    return (uint8_t)(held - stored_less);
}

/* Zeros of target groups [row0, row0 + rows), packed. */
static enum status make_zeros(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    const struct spec *spec = making->spec;
    const struct group_range range = source_groups(making);
    const uint64_t rows = making->tile.rows;
    const int32_t add = (1 << (spec->bits - 1)) - (1 << (weight->spec.bits - 1));
    struct params params;
    TRY(decode_params(making->maker->fetch, weight, (struct area){0, weight->out, range.first, range.count}, making->scratch, &params, err));
    uint8_t *field = scratch_take(making->scratch, SCRATCH_CODES, weight->out * rows, err);
    if (field == NULL)
        return STATUS_LIMIT;
    for (uint64_t o = 0; o < weight->out; o++) {
        const int32_t *zero = params.zero + o * range.count;
        for (uint64_t g = 0; g < rows; g++)
            field[o * rows + g] = field_of(zero[range.ratio == 1 ? g : (making->tile.row0 + g) / range.ratio - range.first] + add, spec);
    }
    pack_codes(layout_row(spec->zeros_layout), (struct codes){field, (size_t)rows}, (size_t)weight->out, (size_t)rows,
               (struct stored){making->data, making->row_bytes});
    return STATUS_OK;
}

static enum status make_group_of(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    uint32_t *group_of;
    if (making->maker->plan->survey->weight[making->output->source].trivial_group_of) {
        for (uint64_t k = 0; k < weight->in; k++)
            le_store32(making->data + 4 * k, (uint32_t)(k / making->spec->group));
        return STATUS_OK;
    }
    TRY(decode_group_of(making->maker->fetch, weight, false, making->scratch, &group_of, err));
    for (uint64_t k = 0; k < weight->in; k++)
        le_store32(making->data + 4 * k, group_of[k]);
    return STATUS_OK;
}

enum status tile_make(const struct tile_maker *maker, struct tile tile, const struct tile_cut *cut, struct scratch *scratch, uint8_t **data,
                      struct err *err)
{
    const struct output_tensor *output = &maker->plan->tensor[tile.output];
    const bool floats = output->step == STEP_COPY || output->step == STEP_CAST;
    *data = scratch_take(scratch, SCRATCH_STORE, tile.rows * cut->row_bytes, err);
    if (*data == NULL)
        return STATUS_LIMIT;
    const struct making making = {
        .maker = maker,
        .output = output,
        .weight = floats ? NULL : &maker->plan->model->weight[output->source],
        .spec = floats ? NULL : &maker->plan->spec[output->source],
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
        return make_codes(&making, err);
    case STEP_SCALES:
        return make_scales(&making, err);
    case STEP_ZEROS:
        return make_zeros(&making, err);
    case STEP_GROUP_OF:
        return make_group_of(&making, err);
    case STEP_COUNT:
        break;
    }
    return err_set(err, STATUS_UNSUPPORTED, output->name, "found an unknown step");
}
