#include "plan/tile_codes.h"

#include "codec/group.h"
#include "codec/half.h"
#include "plan/values.h"

/* Sub-blocks of codes on their way through: canonical codes of 128 x 512 are 64 KiB, which the second-level cache holds with both sides; 128 output
 * channels are 64 bytes of packed words, a whole cache line. */
#define TILE_OUT_STEP UINT64_C(128)
#define TILE_IN_STEP UINT64_C(512)
#define TILE_VALUES_MAX (UINT64_C(1) << 20) /* weights in flight that become floats */

/* A code that gets more bits moves with the middle of its range; where a bias says where zero is, it stays. */
static unsigned code_shift(const struct making *making)
{
    const struct spec *from = &making->weight->spec, *to = making->spec;
    return to->zero_kind == ZERO_BETA ? 0 : (1u << (to->bits - 1)) - (1u << (from->bits - 1));
}

/* The part of a weight that a tile holds: its rows run along the target's slow axis. */
static struct area area_of(const struct layout *to, const struct weight *weight, struct tile tile)
{
    const struct layout_span span = layout_span(to, tile.row0, tile.rows, to->slow == AXIS_IN ? weight->in : weight->out);
    return to->slow == AXIS_IN ? (struct area){0, weight->out, span.first, span.count} : (struct area){span.first, span.count, 0, weight->in};
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

/* At most `most` codes along an axis that fill whole words of both layouts; every common run is at most 320. */
static uint64_t whole_runs(const struct layout *a, const struct layout *b, enum axis axis, uint64_t most)
{
    const uint64_t run = layout_common_align(a, b, axis);
    return run > most ? run : most / run * run;
}

/* Codes of `chunk`, loaded as `raw`, go to their places in the tile by sub-blocks that stay in cache. */
static enum status pack_chunk(const struct making *making, struct area whole, struct area chunk, struct stored raw, struct err *err)
{
    const struct layout *to = layout_row(making->spec->codes_layout);
    const unsigned add = code_shift(making);
    uint8_t *block = scratch_take(making->scratch, SCRATCH_CODES, 2 * TILE_OUT_STEP * TILE_IN_STEP, err);
    if (block == NULL)
        return STATUS_LIMIT;
    const struct layout *from = layout_row(making->weight->spec.codes_layout);
    const uint64_t out_step = whole_runs(from, to, AXIS_OUT, TILE_OUT_STEP), in_step = whole_runs(from, to, AXIS_IN, TILE_IN_STEP);
    for (uint64_t o = 0; o < chunk.out; o += out_step) {
        for (uint64_t i = 0; i < chunk.in; i += in_step) {
            const struct area part = {chunk.out0 + o, at_most(out_step, chunk.out - o), chunk.in0 + i, at_most(in_step, chunk.in - i)};
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
/* Codes that are rounded anew: rows at a time, of the tile's columns. */
static enum status pack_derived(const struct making *making, struct area area, struct err *err)
{
    const struct layout *to = layout_row(making->spec->codes_layout);
    const uint64_t run = layout_align(to, AXIS_OUT), fit = TILE_VALUES_MAX / (making->weight->in + 1) / run * run, step = fit == 0 ? run : fit;
    const unsigned add = code_shift(making);
    for (uint64_t o = 0; o < area.out; o += step) {
        const struct area part = {area.out0 + o, at_most(step, area.out - o), area.in0, area.in};
        struct codes codes;
        TRY(decode_codes(making->maker->fetch, making->weight, part, making->scratch, &codes, err));
        for (uint64_t k = 0; add != 0 && k < part.out * part.in; k++)
            codes.data[k] = (uint8_t)(codes.data[k] + add);
        const struct layout_rect at = layout_rect(to, o, part.out, 0, part.in);
        pack_codes(to, codes, (size_t)part.out, (size_t)part.in, (struct stored){making->data + at.row0 * making->row_bytes + at.byte0, making->row_bytes});
    }
    return STATUS_OK;
}

enum status tile_codes_packed(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    const struct layout *from = layout_row(weight->spec.codes_layout), *to = layout_row(making->spec->codes_layout);
    const struct area area = area_of(to, weight, making->tile);
    if (making->spec->grid == GRID_MINIFLOAT)
        return fetch_bytes(making->maker->fetch, weight->role[ROLE_CODES], making->tile.row0 * making->row_bytes, making->data,
                           making->tile.rows * making->row_bytes, err);
    if (weight->origin != NULL)
        return pack_derived(making, area, err);
    const bool along_out = from->slow == AXIS_OUT;
    const uint64_t length = along_out ? area.out : area.in, across = along_out ? area.in : area.out;
    /* One step across the slow axis is `across` fields; a chunk is about 128 channels or columns, or more, in whole runs of both. */
    const uint64_t unit = whole_runs(from, to, along_out ? AXIS_OUT : AXIS_IN, TILE_OUT_STEP);
    const uint64_t step_bytes = across * from->field_bits / 8 + 1, steps = making->maker->chunk_bytes / step_bytes / unit * unit;
    const uint64_t step = steps == 0 ? unit : steps;
    for (uint64_t at = 0; at < length; at += step) {
        const uint64_t count = at_most(step, length - at);
        const struct area chunk =
            along_out ? (struct area){area.out0 + at, count, area.in0, area.in} : (struct area){area.out0, area.out, area.in0 + at, count};
        struct stored raw = {0};
        TRY(decode_raw(making->maker->fetch, weight, chunk, making->scratch, &raw, err));
        TRY(pack_chunk(making, area, chunk, raw, err));
    }
    return STATUS_OK;
}

/* Columns [column0, column0 + columns) of one expert, turned: [column][channel]. */
struct turned {
    uint64_t expert, column0, columns;
    uint8_t *data;
};

static enum status turn_expert(const struct making *making, const struct turned *turned, struct err *err)
{
    const struct weight *weight = making->weight;
    const uint64_t channels = weight->out / weight->spec.experts, fit = TILE_VALUES_MAX / weight->in, step = fit == 0 ? 1 : fit;
    const size_t size = dtype_bits(making->output->dtype) / 8;
    for (uint64_t row = 0; row < channels; row += step) {
        const struct values_rows rows = {turned->expert * channels + row, at_most(step, channels - row), false, NULL, NULL};
        float *values;
        TRY(values_load(making->maker->fetch, weight, rows, making->scratch, &values, err));
        uint8_t *stored = scratch_take(making->scratch, SCRATCH_WIDE, rows.out * weight->in * size, err);
        if (stored == NULL)
            return STATUS_LIMIT;
        half_store(making->output->dtype, values, (size_t)(rows.out * weight->in), stored, NULL);
        group_transpose((struct group_matrix){stored + turned->column0 * size, (size_t)weight->in}, (size_t)rows.out, (size_t)turned->columns, size,
                        turned->data + row * size, (size_t)channels);
    }
    return STATUS_OK;
}

/* Rows of the output are columns of the experts, one expert after another. */
static enum status dense_experts(const struct making *making, struct err *err)
{
    const uint64_t in = making->weight->in;
    for (uint64_t row = 0; row < making->tile.rows;) {
        const uint64_t at = making->tile.row0 + row;
        const struct turned turned = {at / in, at % in, at_most(in - at % in, making->tile.rows - row), making->data + row * making->row_bytes};
        TRY(turn_expert(making, &turned, err));
        row += turned.columns;
    }
    return STATUS_OK;
}

enum status tile_codes_dense(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    if (weight->spec.experts > 0)
        return dense_experts(making, err);
    const uint64_t fit = TILE_VALUES_MAX / weight->in / 64 * 64, step = fit == 0 ? 64 : fit; /* whole runs of every layout */
    struct values_ahead ahead = {.step = step, .bytes_max = VALUES_AHEAD_BYTES};
    for (uint64_t row = 0; row < making->tile.rows; row += step) {
        struct values_rows rows = {making->tile.row0 + row, making->tile.rows - row, making->seen->zero_group_of, NULL, &ahead};
        float *values;
        TRY(values_read_ahead(making->maker->fetch, weight, rows, making->scratch, &ahead, err));
        rows.out = at_most(step, rows.out);
        TRY(values_load(making->maker->fetch, weight, rows, making->scratch, &values, err));
        half_store(making->output->dtype, values, (size_t)(rows.out * weight->in), making->data + row * making->row_bytes, NULL);
    }
    return STATUS_OK;
}
