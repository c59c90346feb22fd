#include "plan/contrast_blocks.h"

#include "codec/ggml_codec.h"
#include "codec/half.h"
#include "plan/difference.h"
#include "plan/values.h"

#include <math.h>
#include <string.h>

#define BLOCKS_ROWS UINT64_C(64)               /* a multiple of every layout's run along out */
#define BLOCKS_VALUES (UINT64_C(1) << 18)      /* at a time; as many as there is room for where rows have an order of their own: all are gone over for some */
#define BLOCKS_VALUE_BYTES 24                  /* for each of them on both sides: stored, as codes, gathered, and as floats, with a share of its parameters */

/* What the blocks are held against: a weight, or a float tensor. */
struct other {
    const struct fetch *fetch;
    const struct weight *weight; /* NULL: a tensor */
    uint32_t tensor;
    struct scratch *scratch;
    bool affine, trivial;
    struct values_ahead ahead;   /* of the weight */
};

static bool is_gguf(const struct fetch *fetch)
{
    return fetch->model->format != NULL && strcmp(fetch->model->format, "gguf") == 0;
}

/* Side a, where only it has blocks: those of side b are what was made last. */
static bool is_left(const struct contrast *contrast, const struct pair *pair)
{
    return is_gguf(contrast->a) && pair->weight_a && !(is_gguf(contrast->b) && pair->weight_b);
}

/* Codes and exponents, or integers that they were made: compared as any, for nothing was rounded to F16. */
static bool is_mxfp4(const struct fetch *fetch, uint32_t weight)
{
    const struct spec *spec = &fetch->model->weight[weight].spec;
    return spec->grid != GRID_GGML_BLOCK && spec->block == GGML_MXFP4;
}

bool contrast_blocks_meet(const struct contrast *contrast, const struct pair *pair)
{
    if (pair->weight_a && pair->weight_b && (is_mxfp4(contrast->a, pair->a) || is_mxfp4(contrast->b, pair->b)))
        return false;
    const bool a = is_gguf(contrast->a) && pair->weight_a, b = is_gguf(contrast->b) && pair->weight_b;
    if (a && b)
        return contrast->options->rounding != NULL && contrast->a->model->weight[pair->a].spec.block != contrast->b->model->weight[pair->b].spec.block;
    return a != b;
}

/* Of what rounding to F16 changed: how much, and where most. */
struct halved {
    uint64_t count;
    double relative;
    float wide, narrow; /* where most */
};

/* Scales and betas as F16 holds them. */
static void round_halves(float *values, size_t count, struct halved *halved)
{
    for (size_t i = 0; i < count; i++) {
        const float wide = values[i], narrow = half_from_f16(half_to_f16(wide));
        const double relative = wide == 0.0f ? 0 : fabs((double)narrow - (double)wide) / fabs((double)wide);
        halved->count += narrow != wide;
        if (narrow != wide && relative >= halved->relative)
            *halved = (struct halved){halved->count, relative, wide, narrow};
        values[i] = narrow;
    }
}

static struct values_rows rows_of(const struct other *other, uint64_t out0, uint64_t out)
{
    return (struct values_rows){.out0 = out0, .out = out, .trivial = other->trivial, .ahead = &other->ahead};
}

/* Values of rows of an affine weight with its scales rounded, in SCRATCH_VALUE. */
static enum status load_rounded(const struct other *other, uint64_t out0, uint64_t out, float **values, struct halved *halved, struct err *err)
{
    const struct weight *weight = other->weight;
    struct params params;
    struct codes codes;
    uint32_t *group_of;
    TRY(params_load(other->fetch, weight, (struct area){out0, out, 0, weight->groups}, other->scratch, &params, err));
    TRY(decode_group_of(other->fetch, weight, other->trivial, other->scratch, &group_of, err));
    TRY(values_codes(other->fetch, weight, rows_of(other, out0, out), other->scratch, &codes, err));
    *values = scratch_take(other->scratch, SCRATCH_VALUE, out * weight->in * sizeof **values, err);
    if (*values == NULL)
        return STATUS_LIMIT;
    round_halves(params.scale, params.count, halved);
    round_halves(params.beta, params.beta == NULL ? 0 : params.count, halved);
    for (uint64_t o = 0; o < out; o++) {
        for (uint64_t k = 0; k < weight->in; k++) {
            const uint64_t g = o * weight->groups + group_of[k];
            const float scale = params.scale[g];
            const int32_t code = codes.data[o * codes.stride + k];
            (*values)[o * weight->in + k] = params.zero[g] == GROUP_NO_ZERO ? scale * (float)code + params.beta[g]
                                            : scale == 0.0f                 ? 0.0f
                                                                            : (float)(code - params.zero[g]) * scale;
        }
    }
    return STATUS_OK;
}

/* Values of rows as they are. */
static enum status load_plain(const struct other *other, uint64_t in, uint64_t out0, uint64_t out, float **values, struct err *err)
{
    if (other->weight != NULL)
        return values_load(other->fetch, other->weight, rows_of(other, out0, out), other->scratch, values, err);
    const struct tensor *tensor = &other->fetch->model->tensor[other->tensor];
    const uint64_t size = dtype_bits(tensor->dtype) / 8;
    uint8_t *raw = scratch_take(other->scratch, SCRATCH_RAW, out * in * size, err);
    *values = scratch_take(other->scratch, SCRATCH_VALUE, out * in * sizeof **values, err);
    if (raw == NULL || *values == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(other->fetch, other->tensor, out0 * in * size, raw, out * in * size, err));
    half_load(tensor->dtype, raw, (size_t)(out * in), *values);
    return STATUS_OK;
}

/* The values that rounding a row anew gives: the blocks' own type, there and back. */
static void round_row(enum ggml_type type, const struct ggml_codec_row *row, const struct ggml_grids *grids, float *values, uint8_t *blocks)
{
    if (ggml_codec_quantize(type, row, grids, blocks))
        ggml_codec_dequantize(type, blocks, row->elements, values);
}

static bool same_values(const float *a, const float *b, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* Whether a narrower float tensor holds what the blocks say, rounded once. */
static bool cast_values(const float *blocks, enum dtype dtype, const float *stored, uint64_t count)
{
    struct pair pair = {0};
    for (uint64_t i = 0; i < count && pair.values == 0; i++)
        difference_of_cast(&pair, &(struct spot){"value", 0, i, 0, 0}, blocks[i], dtype, stored[i]);
    return pair.values == 0;
}

static void note_casts(struct pair *pair, const float *blocks, enum dtype dtype, const float *stored, uint64_t row, uint64_t in)
{
    for (uint64_t k = 0; k < in; k++)
        difference_of_cast(pair, &(struct spot){"value", row, k, 0, 0}, blocks[k], dtype, stored[k]);
}

static void note_row(struct pair *pair, const float *a, const float *b, uint64_t row, uint64_t in)
{
    for (uint64_t k = 0; k < in; k++)
        if (a[k] != b[k])
            difference_note(pair, &pair->values, &(struct spot){"value", row, k, (double)a[k], (double)b[k]});
}

/* A pair, taken apart. */
struct meeting {
    struct pair *pair;
    struct other other;
    const struct fetch *fetch;    /* of the blocks */
    const struct weight *weight;
    struct scratch *scratch;
    bool left;                    /* the blocks are side a */
    const struct rounding *rounding; /* NULL: the values must be equal */
};

/* Rows of the other side as the blocks' own type holds them, by the importance of their columns where there was one. */
static enum status round_rows(const struct meeting *meeting, uint64_t out0, uint64_t out, float *values, struct err *err)
{
    const struct other *other = &meeting->other;
    const struct rounding *rounding = meeting->rounding;
    const uint64_t in = meeting->weight->in;
    const uint32_t index = other->weight != NULL ? (uint32_t)(other->weight - other->fetch->model->weight) : other->tensor;
    const struct rounding_place *place = rounding_place_of(rounding, other->weight != NULL, index);
    const enum ggml_type type = (enum ggml_type)meeting->weight->spec.block;
    uint64_t row_bytes, at = UINT64_MAX;
    float *importance = place == NULL ? NULL : scratch_take(other->scratch, SCRATCH_IMPORTANCE, in * sizeof *importance, err);
    if ((place != NULL && importance == NULL) || !ggml_row_bytes(type, in, &row_bytes))
        return STATUS_LIMIT;
    uint8_t *blocks = scratch_take(other->scratch, SCRATCH_STORE, row_bytes, err);
    if (blocks == NULL)
        return STATUS_LIMIT;
    for (uint64_t o = 0; o < out; o++) {
        const uint64_t matrix = place == NULL ? 0 : place->matrix + (out0 + o) / place->rows;
        if (place != NULL && matrix != at)
            TRY(imatrix_load(rounding->imatrix, place->entry, matrix * in, in, importance, err));
        at = matrix;
        round_row(type, &(struct ggml_codec_row){values + o * in, importance, in}, rounding->grids, values + o * in, blocks);
    }
    return STATUS_OK;
}

/* Rows of both sides: equal, equal with rounded scales, or rounded anew where that was done. */
static enum status contrast_rows(const struct meeting *meeting, uint64_t out0, uint64_t out, struct spread *spread, struct err *err)
{
    const uint64_t in = meeting->weight->in, count = out * in;
    const struct other *other = &meeting->other;
    struct pair *pair = meeting->pair;
    float *blocks, *values;
    struct halved halved = {0};
    TRY(values_load(meeting->fetch, meeting->weight, (struct values_rows){.out0 = out0, .out = out}, meeting->scratch, &blocks, err));
    TRY(other->affine ? load_rounded(other, out0, out, &values, &halved, err) : load_plain(other, in, out0, out, &values, err));
    for (uint64_t i = 0; i < count; i++)
        difference_widen(spread, meeting->left ? blocks[i] : values[i], meeting->left ? values[i] : blocks[i]);
    if (same_values(blocks, values, count)) {
        if (halved.count > 0)
            difference_rounded(pair, &(struct spot){"scale", out0, 0, (double)halved.wide, (double)halved.narrow}, true);
        return STATUS_OK;
    }
    const enum dtype dtype = other->weight != NULL ? DTYPE_F32 : other->fetch->model->tensor[other->tensor].dtype;
    if (dtype != DTYPE_F32 && (meeting->rounding == NULL || cast_values(blocks, dtype, values, count))) {
        for (uint64_t o = 0; o < out; o++)
            note_casts(pair, blocks + o * in, dtype, values + o * in, out0 + o, in);
        return STATUS_OK;
    }
    if (meeting->rounding != NULL && ggml_kind((enum ggml_type)meeting->weight->spec.block) == GGML_KIND_BLOCK) {
        TRY(load_plain(other, in, out0, out, &values, err));
        TRY(round_rows(meeting, out0, out, values, err));
    }
    for (uint64_t o = 0; o < out; o++)
        note_row(pair, meeting->left ? blocks + o * in : values + o * in, meeting->left ? values + o * in : blocks + o * in, out0 + o, in);
    return STATUS_OK;
}

static enum status reads_trivially(struct other *other, struct err *err)
{
    uint32_t *group_of;
    other->trivial = false;
    if (!other->affine || other->weight->role[ROLE_GROUP_OF] == MODEL_NONE || other->weight->groups == 1)
        return STATUS_OK;
    TRY(decode_group_of(other->fetch, other->weight, false, other->scratch, &group_of, err));
    other->trivial = true; /* survey's reading of an all-zero g_idx */
    for (uint64_t k = 0; k < other->weight->in; k++)
        other->trivial = other->trivial && group_of[k] == 0;
    return STATUS_OK;
}

/* out rows of in, of one matrix or of several. */
static bool is_stack(const struct tensor *tensor, uint64_t out, uint64_t in)
{
    return tensor->rank >= 2 && tensor->shape[tensor->rank - 1] == in && model_elements(tensor) == out * in;
}

enum status contrast_blocks(const struct contrast *contrast, struct pair *pair, struct err *err)
{
    const bool left = is_left(contrast, pair);
    const struct fetch *blocks = left ? contrast->a : contrast->b, *rest = left ? contrast->b : contrast->a;
    const uint32_t index = left ? pair->b : pair->a;
    const bool weight = left ? pair->weight_b : pair->weight_a;
    struct meeting meeting = {
        .pair = pair,
        .other = {.fetch = rest, .weight = weight ? &rest->model->weight[index] : NULL, .tensor = index,
                  .scratch = left ? contrast->scratch_b : contrast->scratch_a},
        .fetch = blocks,
        .weight = &blocks->model->weight[left ? pair->a : pair->b],
        .scratch = left ? contrast->scratch_a : contrast->scratch_b,
        .left = left,
        .rounding = contrast->options->rounding,
    };
    const struct weight *own = meeting.weight, *other = meeting.other.weight;
    struct spread spread = {0};
    meeting.other.affine = weight && (other->spec.grid == GRID_AFFINE_ZERO || other->spec.grid == GRID_AFFINE_BETA);
    const bool fits = weight ? other->out == own->out && other->in == own->in
                             : is_stack(&rest->model->tensor[index], own->out, own->in) && dtype_is_plain_float(rest->model->tensor[index].dtype);
    if (!fits) {
        difference_of_shape(pair, "other dimensions or dtype");
        return STATUS_OK;
    }
    TRY(reads_trivially(&meeting.other, err));
    const uint64_t values = weight && other->row_order != NULL ? contrast->bytes / BLOCKS_VALUE_BYTES : BLOCKS_VALUES;
    const uint64_t rows = values / own->in / BLOCKS_ROWS * BLOCKS_ROWS, step = rows == 0 ? BLOCKS_ROWS : rows;
    meeting.other.ahead = (struct values_ahead){.step = step, .bytes_max = VALUES_AHEAD_BYTES};
    for (uint64_t out0 = 0; out0 < own->out; out0 += step) {
        const struct values_rows rest_of = rows_of(&meeting.other, out0, own->out - out0);
        if (weight)
            TRY(values_read_ahead(rest, other, rest_of, meeting.other.scratch, &meeting.other.ahead, err));
        TRY(contrast_rows(&meeting, out0, own->out - out0 < step ? own->out - out0 : step, &spread, err));
    }
    difference_tolerate(pair, contrast->options->tolerance, &spread);
    return STATUS_OK;
}
