#include "plan/tile_params.h"

#include "base/le.h"
#include "codec/group.h"
#include "codec/half.h"
#include "plan/params.h"

#include <string.h>

/* The pairs of a tile in the target, and the source's pairs that they come from; a source group is `ratio` target groups. */
struct pairs {
    struct area target, source;
    uint64_t ratio;
};

static struct pairs pairs_of(const struct making *making, struct area target)
{
    const uint64_t ratio = making->weight->spec.group / making->spec->group; /* gap decided: it divides */
    const uint64_t first = target.in0 / ratio, last = (target.in0 + target.in - 1) / ratio;
    return (struct pairs){target, {target.out0, target.out, first, last - first + 1}, ratio};
}

/* The pair of the source, in its loaded area, for (row, group) of the target's. */
static size_t source_of(const struct pairs *pairs, uint64_t row, uint64_t group)
{
    return (size_t)(row * pairs->source.in + (pairs->target.in0 + group) / pairs->ratio - pairs->source.in0);
}

static struct area matrix_area(const struct making *making)
{
    const struct weight *weight = making->weight;
    const struct tile tile = making->tile;
    const uint64_t groups = (weight->in + making->spec->group - 1) / making->spec->group;
    return making->spec->param_order == ORDER_GROUP_OUT ? (struct area){0, weight->out, tile.row0, tile.rows}
                                                        : (struct area){tile.row0, tile.rows, 0, groups};
}

/* Stored parameters whose dtype and meaning stay: the source's bytes as [out][group]. */
static bool moves(const struct making *making, enum role *role)
{
    const struct spec *from = &making->weight->spec, *to = making->spec;
    *role = making->output->step == STEP_SCALES ? ROLE_SCALES : making->output->step == STEP_BETA ? ROLE_BETA : ROLE_ZEROS;
    if (making->weight->origin != NULL || making->weight->spec.scale_rule != SCALE_STORED || making->weight->role[*role] == MODEL_NONE ||
        making->maker->fetch->model->tensor[making->weight->role[*role]].dtype != to->scale_dtype)
        return false;
    return *role == ROLE_SCALES || (from->zero_kind == to->zero_kind && (from->bits == to->bits || *role == ROLE_BETA));
}

/* The values of a float parameter that is computed or cast, [out][group] of the source's area. */
static enum status compute(const struct making *making, const struct pairs *pairs, const float **values, struct err *err)
{
    const struct spec *from = &making->weight->spec, *to = making->spec;
    struct params params;
    TRY(params_load(making->maker->fetch, making->weight, pairs->source, making->scratch, &params, err));
    float *own = scratch_take(making->scratch, SCRATCH_VALUE, params.count * sizeof *own, err), *scale = params.scale;
    if (own == NULL)
        return STATUS_LIMIT;
    *values = making->output->step == STEP_SCALES ? scale : own;
    if (making->output->step == STEP_SCALES)
        return STATUS_OK;
    if (making->output->step == STEP_ZEROS) { /* offsets: zeros less the middle */
        for (size_t i = 0; i < params.count; i++)
            own[i] = params.offset != NULL ? params.offset[i] : (float)(params.zero[i] - (1 << (from->bits - 1)));
        return STATUS_OK;
    }
    if (from->zero_kind == ZERO_BETA) {
        *values = params.beta;
        return STATUS_OK;
    }
    if (to->scale_dtype != from->scale_dtype) { /* the bias belongs to the scale that is written */
        void *stored = scratch_take(making->scratch, SCRATCH_DENSE, params.count * sizeof(float), err);
        if (stored == NULL)
            return STATUS_LIMIT;
        half_store(to->scale_dtype, scale, params.count, stored, NULL);
        half_load(to->scale_dtype, stored, params.count, scale);
    }
    (void)group_betas(params.zero, scale, params.count, 0, own); /* the survey found them exact */
    return STATUS_OK;
}

/* Source pairs [out][group] to the tile: refined where groups are, turned where the target is [group][out]. */
static void spread(const struct making *making, const struct pairs *pairs, const uint8_t *stored, size_t size)
{
    const uint64_t out = pairs->target.out, groups = pairs->target.in;
    if (making->spec->param_order == ORDER_GROUP_OUT && pairs->ratio == 1) {
        group_transpose((struct group_matrix){stored, (size_t)groups}, (size_t)out, (size_t)groups, size, making->data, (size_t)out);
        return;
    }
    if (making->spec->param_order == ORDER_GROUP_OUT) {
        for (uint64_t g = 0; g < groups; g++)
            group_transpose((struct group_matrix){stored + source_of(pairs, 0, g) * size, (size_t)pairs->source.in}, (size_t)out, 1, size,
                            making->data + g * out * size, (size_t)out);
        return;
    }
    if (pairs->ratio == 1) {
        memcpy(making->data, stored, (size_t)(out * groups) * size);
        return;
    }
    for (uint64_t row = 0; row < out; row++)
        for (uint64_t g = 0; g < groups; g++)
            memcpy(making->data + (row * groups + g) * size, stored + source_of(pairs, row, g) * size, size);
}

enum status tile_params_matrix(const struct making *making, struct err *err)
{
    if (making->spec->grid == GRID_MINIFLOAT) /* scales of floats keep their shape and dtype */
        return fetch_bytes(making->maker->fetch, making->weight->role[ROLE_SCALES], making->tile.row0 * making->row_bytes, making->data,
                           making->tile.rows * making->row_bytes, err);
    const struct pairs pairs = pairs_of(making, matrix_area(making));
    const size_t size = dtype_bits(making->spec->scale_dtype) / 8, count = (size_t)(pairs.source.out * pairs.source.in);
    enum role role;
    if (moves(making, &role)) {
        TRY(params_matrix(making->maker->fetch, making->weight, role, pairs.source, making->scratch, err));
        spread(making, &pairs, making->scratch->data[SCRATCH_TURNED], size);
        return STATUS_OK;
    }
    const float *values;
    TRY(compute(making, &pairs, &values, err));
    void *cast = scratch_take(making->scratch, SCRATCH_TURNED, count * size, err);
    if (cast == NULL)
        return STATUS_LIMIT;
    half_store(making->spec->scale_dtype, values, count, cast, NULL);
    spread(making, &pairs, cast, size);
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

enum status tile_params_fields(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    const struct spec *spec = making->spec;
    const struct layout *layout = layout_row(spec->zeros_layout);
    const uint64_t groups = (weight->in + spec->group - 1) / spec->group;
    const struct layout_span span = layout_span(layout, making->tile.row0, making->tile.rows, layout->slow == AXIS_IN ? groups : weight->out);
    const struct area area =
        layout->slow == AXIS_IN ? (struct area){0, weight->out, span.first, span.count} : (struct area){span.first, span.count, 0, groups};
    const struct pairs pairs = pairs_of(making, area);
    const int32_t add = (1 << (spec->bits - 1)) - (1 << (weight->spec.bits - 1));
    struct params params;
    TRY(params_load(making->maker->fetch, weight, pairs.source, making->scratch, &params, err));
    uint8_t *field = scratch_take(making->scratch, SCRATCH_CODES, area.out * area.in, err);
    if (field == NULL)
        return STATUS_LIMIT;
    for (uint64_t row = 0; row < area.out; row++)
        for (uint64_t g = 0; g < area.in; g++)
            field[row * area.in + g] = field_of(params.zero[pairs.ratio == 1 ? row * area.in + g : source_of(&pairs, row, g)] + add, spec);
    pack_codes(layout, (struct codes){field, (size_t)area.in}, (size_t)area.out, (size_t)area.in, (struct stored){making->data, making->row_bytes});
    return STATUS_OK;
}

enum status tile_params_group_of(const struct making *making, struct err *err)
{
    const struct weight *weight = making->weight;
    uint32_t *group_of;
    if (making->seen->trivial_group_of) {
        for (uint64_t k = 0; k < weight->in; k++)
            le_store32(making->data + 4 * k, (uint32_t)(k / making->spec->group));
        return STATUS_OK;
    }
    TRY(decode_group_of(making->maker->fetch, weight, false, making->scratch, &group_of, err));
    for (uint64_t k = 0; k < weight->in; k++)
        le_store32(making->data + 4 * k, group_of[k]);
    return STATUS_OK;
}

enum status tile_params_shape(const struct making *making, struct err *err)
{
    (void)err;
    const uint64_t shape[2] = {making->weight->out, making->weight->in};
    for (size_t d = 0; d < 2; d++) { /* I64, little-endian */
        le_store32(making->data + 8 * d, (uint32_t)shape[d]);
        le_store32(making->data + 8 * d + 4, (uint32_t)(shape[d] >> 32));
    }
    return STATUS_OK;
}
