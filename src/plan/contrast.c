#include "plan/contrast.h"

#include "codec/group.h"
#include "codec/half.h"
#include "plan/difference.h"
#include "plan/gap.h"
#include "plan/gap_source.h"
#include "plan/values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CONTRAST_ROWS UINT64_C(64)          /* output channels at a time are a multiple: whole runs of every layout */
#define CONTRAST_CODES (UINT64_C(16) << 20) /* in flight on each side, at most; formats stored by input column are read in long pieces */
#define CONTRAST_CODE_BYTES 5               /* for each of them on both sides: as stored, canonical, and a share of its group's parameters */
#define CONTRAST_BYTES (UINT64_C(1) << 20)

/* --- two quantized weights --------------------------------------------------------------------------------------------------- */

struct side {
    const struct fetch *fetch;
    const struct weight *weight;
    struct scratch *scratch;
    struct params params;     /* of the rows at hand, all groups */
    const uint32_t *group_of; /* [in]; owned by the caller */
    struct codes codes;
    int centre; /* the zero of a symmetric weight */
};

/* Loads the parameters of rows, and refuses v1 zeros that known writers mean differently. */
static enum status load_params(struct side *side, uint64_t out0, uint64_t out, struct err *err)
{
    const struct area params = {out0, out, 0, side->weight->groups};
    TRY(params_load(side->fetch, side->weight, params, side->scratch, &side->params, err));
    const uint64_t ambiguous = params_ambiguous(side->fetch, side->weight, params, &side->params);
    return ambiguous == 0 ? STATUS_OK : gap_source_ambiguous(side->weight->name, ambiguous, err);
}

static enum status load_rows(struct side *side, uint64_t out0, uint64_t out, struct err *err)
{
    const struct area area = {out0, out, 0, side->weight->in};
    TRY(decode_codes(side->fetch, side->weight, area, side->scratch, &side->codes, err));
    return load_params(side, out0, out, err);
}

/* Output channels to load at a time. */
static uint64_t rows_of(const struct contrast *contrast, const struct weight *weight)
{
    const uint64_t fit = contrast->bytes / CONTRAST_CODE_BYTES, codes = fit < CONTRAST_CODES ? fit : CONTRAST_CODES;
    const uint64_t rows = codes / weight->in / CONTRAST_ROWS * CONTRAST_ROWS;
    return rows == 0 ? CONTRAST_ROWS : rows;
}

/* Both sides count zeros and codes from the middle, so that a wider container compares equal. */
static int centre(const struct side *side)
{
    return side->centre;
}

/* Codes of a wider container are counted from its middle, but where a bias says where zero is they may stay as they were: the first zeros
 * that live on both sides tell. */
static void find_centres(struct side *a, struct side *b)
{
    a->centre = 1 << (a->weight->spec.bits - 1);
    b->centre = 1 << (b->weight->spec.bits - 1);
    if (a->centre == b->centre || (a->params.beta == NULL && b->params.beta == NULL))
        return;
    const uint64_t rows = a->params.count / a->weight->groups, in = a->weight->in;
    for (uint64_t i = 0; i < rows * in; i++) {
        const size_t ga = i / in * a->weight->groups + a->group_of[i % in], gb = i / in * b->weight->groups + b->group_of[i % in];
        const int32_t za = a->params.zero[ga], zb = b->params.zero[gb];
        if (za != GROUP_NO_ZERO && zb != GROUP_NO_ZERO && (a->params.scale[ga] == 0.0f || b->params.scale[gb] == 0.0f))
            continue;
        if (za == GROUP_NO_ZERO || zb == GROUP_NO_ZERO || za == zb)
            a->centre = b->centre;
        return;
    }
}

/* The integer zero of a pair. An offset that is none is read as the middle by params, which refusals stand behind; here it has no zero. */
static int32_t zero_of(const struct side *side, size_t at)
{
    const int32_t zero = side->params.zero[at], middle = 1 << (side->weight->spec.bits - 1);
    if (side->params.offset == NULL || side->params.scale[at] == 0.0f || (float)(zero - middle) == side->params.offset[at])
        return zero;
    return GROUP_NO_ZERO;
}

/* Betas of both sides, or zeros: where one stands for no integer, or both are betas of one width, the floats decide. */
static void contrast_zero(const struct side *a, const struct side *b, struct pair *pair, const size_t at[2], const struct spot *place)
{
    const int32_t za = zero_of(a, at[0]), zb = zero_of(b, at[1]);
    const float *left = a->params.beta != NULL ? a->params.beta : a->params.offset, *right = b->params.beta != NULL ? b->params.beta : b->params.offset;
    const bool alike = left != NULL && right != NULL && a->weight->spec.zero_kind == b->weight->spec.zero_kind && centre(a) == centre(b);
    const bool betas = alike && a->params.beta != NULL;
    if (!betas && za != GROUP_NO_ZERO && zb != GROUP_NO_ZERO) {
        if (za - centre(a) != zb - centre(b))
            difference_note(pair, &pair->zeros, &(struct spot){"zero", place->out, place->in, za, zb});
        return;
    }
    if (betas && za != GROUP_NO_ZERO && za == zb)
        return;
    if (!alike) {
        difference_note(pair, &pair->zeros,
                        &(struct spot){"zero", place->out, place->in, za == GROUP_NO_ZERO ? (double)NAN : za, zb == GROUP_NO_ZERO ? (double)NAN : zb});
        return;
    }
    const struct spot spot = {betas ? "bias" : "offset", place->out, place->in, (double)left[at[0]], (double)right[at[1]]};
    if (difference_bits(left[at[0]]) == difference_bits(right[at[1]]))
        return;
    if (betas && difference_rounds_to(left[at[0]], a->weight->spec.scale_dtype, right[at[1]], b->weight->spec.scale_dtype))
        difference_rounded(pair, &spot, dtype_bits(a->weight->spec.scale_dtype) >= dtype_bits(b->weight->spec.scale_dtype));
    else
        difference_note(pair, &pair->zeros, &spot);
}

static void contrast_group(const struct side *a, const struct side *b, struct pair *pair, uint64_t row, uint64_t out0, uint64_t in)
{
    const size_t ga = row * a->weight->groups + a->group_of[in], gb = row * b->weight->groups + b->group_of[in];
    const float sa = a->params.scale[ga], sb = b->params.scale[gb];
    const struct spot scale = {"scale", out0 + row, in, (double)sa, (double)sb};
    if (difference_bits(sa) != difference_bits(sb)) {
        if (!difference_rounds_to(sa, a->weight->spec.scale_dtype, sb, b->weight->spec.scale_dtype))
            difference_note(pair, &pair->scales, &scale);
        else
            difference_rounded(pair, &scale, dtype_bits(a->weight->spec.scale_dtype) >= dtype_bits(b->weight->spec.scale_dtype));
    }
    if (sa != 0.0f || sb != 0.0f || a->params.zero[ga] == GROUP_NO_ZERO || b->params.zero[gb] == GROUP_NO_ZERO)
        contrast_zero(a, b, pair, (const size_t[2]){ga, gb}, &scale);
}

/* Runs of columns in which neither side changes its group. */
struct runs {
    const uint64_t *first; /* [count]: the first column of each */
    size_t count;
};

static enum status find_runs(const struct side *a, const struct side *b, struct runs *runs, struct err *err)
{
    const uint64_t in = a->weight->in;
    uint64_t *first = scratch_take(a->scratch, SCRATCH_GROUP_OF, in * sizeof *first, err);
    if (first == NULL)
        return STATUS_LIMIT;
    *runs = (struct runs){first, 0};
    for (uint64_t k = 0; k < in; k++)
        if (k == 0 || a->group_of[k] != a->group_of[k - 1] || b->group_of[k] != b->group_of[k - 1])
            first[runs->count++] = k;
    return STATUS_OK;
}

/* Parameters are judged once a run; codes one by one unless the rows are equal bytes. */
static void contrast_row(const struct side *a, const struct side *b, const struct runs *runs, struct pair *pair, uint64_t row, uint64_t out0)
{
    const uint8_t *left = a->codes.data + row * a->codes.stride, *right = b->codes.data + row * b->codes.stride;
    const uint64_t in = a->weight->in;
    const int shift = centre(b) - centre(a);
    for (size_t i = 0; i < runs->count; i++)
        contrast_group(a, b, pair, row, out0, runs->first[i]);
    if (shift == 0 && memcmp(left, right, (size_t)in) == 0)
        return;
    for (uint64_t k = 0; k < in; k++) {
        const bool dead =
            a->params.scale[row * a->weight->groups + a->group_of[k]] == 0.0f && b->params.scale[row * b->weight->groups + b->group_of[k]] == 0.0f;
        if (left[k] + shift != right[k] && !dead)
            difference_note(pair, &pair->codes, &(struct spot){"code", out0 + row, k, left[k], right[k]});
    }
}

static enum status load_group_of(struct side *side, struct err *err)
{
    uint32_t *group_of;
    TRY(decode_group_of(side->fetch, side->weight, false, side->scratch, &group_of, err));
    bool zero = side->weight->groups > 1 && side->weight->role[ROLE_GROUP_OF] != MODEL_NONE;
    for (uint64_t k = 0; k < side->weight->in && zero; k++)
        zero = group_of[k] == 0;
    if (zero) /* survey's reading of an all-zero g_idx */
        TRY(decode_group_of(side->fetch, side->weight, true, side->scratch, &group_of, err));
    uint32_t *own = scratch_take(side->scratch, SCRATCH_OTHER, side->weight->in * sizeof *own, err);
    if (own == NULL)
        return STATUS_LIMIT;
    memcpy(own, group_of, (size_t)side->weight->in * sizeof *own);
    side->group_of = own;
    return STATUS_OK;
}

/* (code - zero) * scale in F32, the value that every engine computes; a dead group is 0 whatever its codes say. */
static float value_at(const struct side *side, uint64_t row, uint64_t k)
{
    const uint64_t g = row * side->weight->groups + side->group_of[k];
    const float scale = side->params.scale[g];
    if (side->params.zero[g] == GROUP_NO_ZERO)
        return scale * (float)side->codes.data[row * side->codes.stride + k] + side->params.beta[g];
    if (side->params.offset != NULL && scale != 0.0f)
        return ((float)(side->codes.data[row * side->codes.stride + k] - (1 << (side->weight->spec.bits - 1))) - side->params.offset[g]) * scale;
    return scale == 0.0f ? 0.0f : (float)(side->codes.data[row * side->codes.stride + k] - side->params.zero[g]) * scale;
}

/* Weights of another grid than integers: their values. */
static enum status contrast_values(const struct contrast *contrast, struct pair *pair, struct err *err)
{
    struct weight both[2] = {contrast->a->model->weight[pair->a], contrast->b->model->weight[pair->b]};
    const struct weight *const a = &both[0], *const b = &both[1];
    if (spec_is_mxfp4(&a->spec) && spec_is_mxfp4(&b->spec)) /* of the codes, whose -0 ggml's values have not */
        both[0].spec.block = both[1].spec.block = 0;
    const uint64_t rows = (UINT64_C(1) << 20) / a->in / CONTRAST_ROWS * CONTRAST_ROWS, step = rows == 0 ? CONTRAST_ROWS : rows;
    const bool alike = a->spec.grid == b->spec.grid;
    struct spread spread = {0};
    for (uint64_t out0 = 0; out0 < a->out; out0 += step) {
        const struct values_rows part = {out0, a->out - out0 < step ? a->out - out0 : step, false, NULL, NULL};
        float *left, *right;
        TRY(values_load(contrast->a, a, part, contrast->scratch_a, &left, err));
        TRY(values_load(contrast->b, b, part, contrast->scratch_b, &right, err));
        for (uint64_t i = 0; i < part.out * a->in; i++) {
            difference_widen(&spread, left[i], right[i]);
            const bool same = difference_bits(left[i]) == difference_bits(right[i]) || (isnan(left[i]) && isnan(right[i]));
            if (!same && (alike || left[i] != right[i])) /* integers have no -0 */
                difference_note(pair, &pair->values, &(struct spot){"value", out0 + i / a->in, i % a->in, (double)left[i], (double)right[i]});
        }
    }
    difference_tolerate(pair, contrast->options->tolerance, &spread);
    return STATUS_OK;
}

static bool is_affine(const struct weight *weight)
{
    return weight->spec.grid == GRID_AFFINE_ZERO || weight->spec.grid == GRID_AFFINE_BETA;
}

enum status contrast_weights(const struct contrast *contrast, struct pair *pair, struct err *err)
{
    struct side a = {.fetch = contrast->a, .weight = &contrast->a->model->weight[pair->a], .scratch = contrast->scratch_a};
    struct side b = {.fetch = contrast->b, .weight = &contrast->b->model->weight[pair->b], .scratch = contrast->scratch_b};
    if (a.weight->out != b.weight->out || a.weight->in != b.weight->in) {
        difference_of_shape(pair, "other dimensions");
        return STATUS_OK;
    }
    if (!is_affine(a.weight) || !is_affine(b.weight))
        return contrast_values(contrast, pair, err);
    TRY(load_group_of(&a, err));
    TRY(load_group_of(&b, err));
    struct runs runs;
    TRY(find_runs(&a, &b, &runs, err));
    const uint64_t step = rows_of(contrast, a.weight);
    struct spread spread = {0};
    for (uint64_t out0 = 0; out0 < a.weight->out; out0 += step) {
        const uint64_t rows = a.weight->out - out0 < step ? a.weight->out - out0 : step;
        TRY(load_rows(&a, out0, rows, err));
        TRY(load_rows(&b, out0, rows, err));
        find_centres(&a, &b);
        for (uint64_t row = 0; row < rows; row++) {
            contrast_row(&a, &b, &runs, pair, row, out0);
            for (uint64_t k = 0; contrast->options->tolerance >= 0 && k < a.weight->in; k++)
                difference_widen(&spread, value_at(&a, row, k), value_at(&b, row, k));
        }
    }
    difference_tolerate(pair, contrast->options->tolerance, &spread);
    return STATUS_OK;
}

/* --- a quantized weight and a float tensor ------------------------------------------------------------------------------------ */

static void contrast_value(struct pair *pair, struct spread *spread, const struct spot *place, float exact, enum dtype dtype, float stored)
{
    difference_widen(spread, exact, stored);
    difference_of_cast(pair, place, exact, dtype, stored);
}

/* The all-zero group map is read as the survey reads it. */
static enum status reads_trivially(struct side *side, bool *trivial, struct err *err)
{
    *trivial = false;
    if (side->weight->role[ROLE_GROUP_OF] == MODEL_NONE)
        return STATUS_OK;
    TRY(load_group_of(side, err));
    *trivial = side->group_of[side->weight->in - 1] != 0 || side->weight->groups == 1;
    for (uint64_t k = 0; *trivial && k < side->weight->in; k++)
        *trivial = side->group_of[k] == k / side->weight->spec.group;
    return STATUS_OK;
}

/* A stack of experts against [expert][in][channel]: rows of values meet columns of the tensor. */
static enum status contrast_experts(const struct contrast *contrast, const struct side *side, const struct fetch *dense, uint32_t tensor, struct pair *pair,
                                    struct err *err)
{
    const struct weight *weight = side->weight;
    const struct tensor *stored = &dense->model->tensor[tensor];
    const uint64_t size = dtype_bits(stored->dtype) / 8, channels = weight->out / weight->spec.experts, in = weight->in;
    struct spread spread = {0};
    for (uint64_t row = 0; row < weight->out;) {
        const uint64_t expert = row / channels, channel = row % channels, left = channels - channel, rows = left < CONTRAST_ROWS ? left : CONTRAST_ROWS;
        float *exact, *values = scratch_take(contrast->scratch_b, SCRATCH_SCALE, rows * in * sizeof *values, err);
        uint8_t *raw = scratch_take(contrast->scratch_b, SCRATCH_RAW, rows * in * size, err);
        if (values == NULL || raw == NULL)
            return STATUS_LIMIT;
        TRY(values_load(side->fetch, weight, (struct values_rows){row, rows, false, NULL, NULL}, side->scratch, &exact, err));
        TRY(fetch_rect(dense, tensor, channels * size, (struct layout_rect){expert * in, in, channel * size, rows * size}, raw, err));
        half_load(stored->dtype, raw, (size_t)(rows * in), values);
        for (uint64_t i = 0; i < rows * in; i++)
            contrast_value(pair, &spread, &(struct spot){"value", row + i / in, i % in, 0, 0}, exact[i], stored->dtype, values[i % in * rows + i / in]);
        row += rows;
    }
    difference_tolerate(pair, contrast->options->tolerance, &spread);
    return STATUS_OK;
}

/* True if the tensor holds the floats of the weight: [out][in], or of a stack [expert][in][channel], or as MLX has it [expert][channel][in]. */
static bool holds_values(const struct tensor *tensor, const struct weight *weight)
{
    const uint64_t experts = weight->spec.experts;
    if (!dtype_is_plain_float(tensor->dtype))
        return false;
    if (experts == 0)
        return model_is_2d(tensor, weight->out, weight->in);
    const uint64_t out = weight->out / experts, in = weight->in;
    return tensor->rank == 3 && tensor->shape[0] == experts && tensor->shape[1] == (weight->spec.switched ? out : in) &&
           tensor->shape[2] == (weight->spec.switched ? in : out);
}

enum status contrast_with_float(const struct contrast *contrast, struct pair *pair, struct err *err)
{
    const bool left = pair->weight_a;
    const struct fetch *quantized = left ? contrast->a : contrast->b, *dense = left ? contrast->b : contrast->a;
    const uint32_t tensor = left ? pair->b : pair->a;
    struct side side = {.fetch = quantized, .weight = &quantized->model->weight[left ? pair->a : pair->b], .scratch = contrast->scratch_a};
    const struct tensor *stored = &dense->model->tensor[tensor];
    struct spread spread = {0};
    bool trivial;
    if (!holds_values(stored, side.weight)) {
        difference_of_shape(pair, "other dimensions or dtype");
        return STATUS_OK;
    }
    if (side.weight->spec.experts > 0 && !side.weight->spec.switched)
        return contrast_experts(contrast, &side, dense, tensor, pair, err);
    const uint64_t size = dtype_bits(stored->dtype) / 8;
    const bool affine = is_affine(side.weight);
    TRY(reads_trivially(&side, &trivial, err));
    const uint64_t fewer = rows_of(contrast, side.weight) / 4 / CONTRAST_ROWS * CONTRAST_ROWS; /* floats take four bytes a value */
    const uint64_t step = fewer == 0 ? CONTRAST_ROWS : fewer;
    for (uint64_t out0 = 0; out0 < side.weight->out; out0 += step) {
        const uint64_t rows = side.weight->out - out0 < step ? side.weight->out - out0 : step, count = rows * side.weight->in;
        float *exact;
        if (affine)
            TRY(load_params(&side, out0, rows, err));
        TRY(values_load(quantized, side.weight, (struct values_rows){out0, rows, trivial, NULL, NULL}, side.scratch, &exact, err));
        uint8_t *raw = scratch_take(contrast->scratch_b, SCRATCH_RAW, count * size, err);
        float *values = scratch_take(contrast->scratch_b, SCRATCH_SCALE, count * sizeof *values, err);
        if (raw == NULL || values == NULL)
            return STATUS_LIMIT;
        TRY(fetch_bytes(dense, tensor, out0 * side.weight->in * size, raw, count * size, err));
        half_load(stored->dtype, raw, (size_t)count, values);
        for (uint64_t i = 0; i < count; i++)
            contrast_value(pair, &spread, &(struct spot){"value", out0 + i / side.weight->in, i % side.weight->in, 0, 0}, exact[i], stored->dtype,
                           values[i]);
    }
    difference_tolerate(pair, contrast->options->tolerance, &spread);
    return STATUS_OK;
}

/* --- two stored tensors -------------------------------------------------------------------------------------------------------- */

/* One of them may have fewer rows, where its format says that it left some out. */
static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    bool same = a->rank == b->rank;
    for (unsigned d = 0; same && d < a->rank; d++)
        same = a->shape[d] == b->shape[d] || (d == 0 && (a->shape[0] < b->shape[0] ? a : b)->shortened);
    return same;
}

/* Values of both sides, widened, with the dtypes that they are stored in. */
struct values {
    const float *a, *b; /* [count] */
    enum dtype dtype_a, dtype_b;
    uint64_t at, count; /* from element `at` of the tensors on */
};

static void contrast_floats(struct pair *pair, struct spread *spread, const struct values *values)
{
    const float *a = values->a, *b = values->b;
    const enum dtype dtype_a = values->dtype_a, dtype_b = values->dtype_b;
    for (uint64_t i = 0; i < values->count; i++) {
        if (isnan(a[i]) && isnan(b[i]) && dtype_a != dtype_b)
            continue;
        difference_widen(spread, a[i], b[i]);
        if (difference_bits(a[i]) == difference_bits(b[i]))
            continue;
        const struct spot spot = {"value", 0, values->at + i, (double)a[i], (double)b[i]};
        if (!difference_rounds_to(a[i], dtype_a, b[i], dtype_b))
            difference_note(pair, &pair->values, &spot);
        else
            difference_rounded(pair, &spot, dtype_bits(dtype_a) >= dtype_bits(dtype_b));
    }
}

/* True if `kept` is what the format of `shifted` keeps of `value`, a value of `plain`: their sum in F32, or in F16 if plain is. */
static bool keeps_sum(const struct tensor *plain, float value, const struct tensor *shifted, float kept)
{
    const float sum = value - (float)shifted->shift;
    return plain->shift == 0 && (sum == kept || (plain->dtype == DTYPE_F16 && half_from_f16(half_to_f16(sum)) == kept));
}

/* GGUF keeps Gemma's norms with 1 added, which taking 1 away need not undo. Either way round is the same value. */
static void take_shifts(const struct tensor *a, const struct tensor *b, float *left, float *right, uint64_t count)
{
    for (uint64_t i = 0; a->shift != b->shift && i < count; i++) {
        const float own = left[i] + (float)a->shift, other = right[i] + (float)b->shift;
        const bool other_way = keeps_sum(b, right[i], a, left[i]) || keeps_sum(a, left[i], b, right[i]);
        left[i] = other_way ? other : own;
        right[i] = other;
    }
}

static enum status contrast_as_floats(const struct contrast *contrast, struct pair *pair, struct err *err)
{
    const struct tensor *a = &contrast->a->model->tensor[pair->a], *b = &contrast->b->model->tensor[pair->b];
    const uint64_t size_a = dtype_bits(a->dtype) / 8, size_b = dtype_bits(b->dtype) / 8, step = CONTRAST_BYTES / 4;
    const uint64_t elements_a = model_elements(a), elements_b = model_elements(b), count = elements_a < elements_b ? elements_a : elements_b;
    struct spread spread = {0};
    for (uint64_t at = 0; at < count; at += step) {
        const uint64_t part = count - at < step ? count - at : step;
        uint8_t *raw_a = scratch_take(contrast->scratch_a, SCRATCH_RAW, part * size_a, err);
        uint8_t *raw_b = scratch_take(contrast->scratch_b, SCRATCH_RAW, part * size_b, err);
        float *left = scratch_take(contrast->scratch_a, SCRATCH_SCALE, part * sizeof *left, err);
        float *right = scratch_take(contrast->scratch_b, SCRATCH_SCALE, part * sizeof *right, err);
        if (raw_a == NULL || raw_b == NULL || left == NULL || right == NULL)
            return STATUS_LIMIT;
        TRY(fetch_bytes(contrast->a, pair->a, at * size_a, raw_a, part * size_a, err));
        TRY(fetch_bytes(contrast->b, pair->b, at * size_b, raw_b, part * size_b, err));
        half_load(a->dtype, raw_a, (size_t)part, left);
        half_load(b->dtype, raw_b, (size_t)part, right);
        take_shifts(a, b, left, right, part);
        contrast_floats(pair, &spread, &(struct values){left, right, a->dtype, b->dtype, at, part});
    }
    difference_tolerate(pair, contrast->options->tolerance, &spread);
    return STATUS_OK;
}

enum status contrast_tensors(const struct contrast *contrast, struct pair *pair, struct err *err)
{
    const struct tensor *a = &contrast->a->model->tensor[pair->a], *b = &contrast->b->model->tensor[pair->b];
    if (!same_shape(a, b) || (a->dtype != b->dtype && !(dtype_is_plain_float(a->dtype) && dtype_is_plain_float(b->dtype)))) {
        difference_of_shape(pair, "other shape or dtype");
        return STATUS_OK;
    }
    if (a->dtype != b->dtype || a->shift != b->shift)
        return contrast_as_floats(contrast, pair, err);
    const uint64_t bytes = a->bytes < b->bytes ? a->bytes : b->bytes;
    for (uint64_t at = 0; at < bytes; at += CONTRAST_BYTES) {
        const uint64_t part = bytes - at < CONTRAST_BYTES ? bytes - at : CONTRAST_BYTES;
        uint8_t *left = scratch_take(contrast->scratch_a, SCRATCH_RAW, part, err), *right = scratch_take(contrast->scratch_b, SCRATCH_RAW, part, err);
        if (left == NULL || right == NULL)
            return STATUS_LIMIT;
        TRY(fetch_bytes(contrast->a, pair->a, at, left, part, err));
        TRY(fetch_bytes(contrast->b, pair->b, at, right, part, err));
        if (memcmp(left, right, (size_t)part) == 0)
            continue;
        if (dtype_is_plain_float(a->dtype))
            return contrast_as_floats(contrast, pair, err);
        for (uint64_t i = 0; i < part; i++)
            if (left[i] != right[i])
                difference_note(pair, &pair->values, &(struct spot){"byte", 0, at + i, left[i], right[i]});
    }
    return STATUS_OK;
}
