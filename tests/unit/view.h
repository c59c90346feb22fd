/* A layer in a written directory of any dialect, read by plain loops, and held against the random model that it came from. */
#ifndef REPAQ_TESTS_VIEW_H
#define REPAQ_TESTS_VIEW_H

#include "checkpoint_write.h"
#include "forecast.h"
#include "stored.h"

#include <stdarg.h>

/* Prints what is wrong with a trial, with the seed that shows it again, and fails the test. */
static void complain(const struct trial *trial, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct written {
    const struct trial *trial;
    const struct layer *layer;
    struct stored_tensor codes, zeros, scales, group_of;
    uint32_t bits, group, groups;
    int32_t add; /* what the middle moves by */
    enum real real;
    bool bytes; /* one code a byte */
};

/* True if some layer of this width has another zero than the middle: then all of them keep theirs. */
static inline bool width_is_asymmetric(const struct trial *trial, uint32_t bits)
{
    for (size_t l = 0; l < LAYERS; l++) {
        const struct layer *layer = &trial->c->layer[l];
        for (size_t i = 0; is_coded(trial, layer) && target_bits(trial, layer) == bits && i < (size_t)layer->out * layer->groups; i++)
            if (!(layer_dead(layer, i) && layer_whole(trial->c, layer, i)) && layer->zero[i] != layer_mid(layer))
                return true;
    }
    return false;
}

static inline void expect_tensor(const struct written *view, const struct stored_tensor *tensor, const char *what, const char *dtype, uint64_t a, uint64_t b)
{
    if (tensor->data == NULL)
        complain(view->trial, "%s: no %s", view->layer->name, what);
    if (strcmp(tensor->dtype, dtype) != 0 || tensor->shape[0] != a || (b != 0 && tensor->shape[1] != b) || tensor->rank != (b == 0 ? 1 : 2))
        complain(view->trial, "%s: %s is %s [%llu, %llu], expected %s [%llu, %llu]", view->layer->name, what, tensor->dtype,
                 (unsigned long long)tensor->shape[0], (unsigned long long)tensor->shape[1], dtype, (unsigned long long)a, (unsigned long long)b);
}

static inline void expect_absent(const struct written *view, const struct stored_files *files, const char *suffix)
{
    if (stored_find(files, view->layer->name, suffix).data != NULL)
        complain(view->trial, "%s%s is there", view->layer->name, suffix);
}

static inline void open_words(struct written *view, const struct stored_files *files)
{
    const char *name = view->layer->name;
    const bool awq = view->trial->target == DIALECT_AWQ;
    const uint32_t out = view->layer->out, in = view->layer->in, words = (uint32_t)stream_words(view->bits, false, awq ? out : in);
    view->codes = stored_find(files, name, ".qweight");
    view->zeros = stored_find(files, name, ".qzeros");
    view->scales = stored_find(files, name, ".scales");
    expect_tensor(view, &view->codes, ".qweight", "I32", awq ? in : words, awq ? words : out);
    expect_tensor(view, &view->zeros, ".qzeros", "I32", view->groups, stream_words(view->bits, false, out));
    expect_tensor(view, &view->scales, ".scales", real_name(view->real), view->groups, out);
    if (awq) {
        expect_absent(view, files, ".g_idx");
        return;
    }
    view->group_of = stored_find(files, name, ".g_idx");
    expect_tensor(view, &view->group_of, ".g_idx", "I32", in, 0);
}

static inline void open_ct(struct written *view, const struct stored_files *files)
{
    const char *name = view->layer->name;
    const uint32_t out = view->layer->out, in = view->layer->in;
    const struct stored_tensor shape = stored_find(files, name, ".weight_shape");
    view->bytes = target_act(view->trial, view->layer) != ACT_NONE;
    view->codes = stored_find(files, name, view->bytes ? ".weight" : ".weight_packed");
    view->zeros = stored_find(files, name, ".weight_zero_point");
    view->scales = stored_find(files, name, ".weight_scale");
    view->group_of = stored_find(files, name, ".weight_g_idx");
    expect_tensor(view, &view->codes, "codes", view->bytes ? "I8" : "I32", out, view->bytes ? in : stream_words(view->bits, false, in));
    expect_tensor(view, &view->scales, ".weight_scale", real_name(view->real), out, view->groups);
    if (width_is_asymmetric(view->trial, view->bits))
        expect_tensor(view, &view->zeros, ".weight_zero_point", view->bytes ? "I8" : "I32", view->bytes ? out : stream_words(view->bits, false, out),
                      view->groups);
    else
        expect_absent(view, files, ".weight_zero_point");
    if ((view->group_of.data == NULL) != layer_ordered(view->layer))
        complain(view->trial, "%s: a weight_g_idx, or none", name);
    if (view->bytes) {
        expect_absent(view, files, ".weight_shape");
        return;
    }
    expect_tensor(view, &shape, ".weight_shape", "I64", 2, 0);
    if (word_at(shape.data, 0) != out || word_at(shape.data, 2) != in || word_at(shape.data, 1) != 0 || word_at(shape.data, 3) != 0)
        complain(view->trial, "%s.weight_shape holds another shape", name);
}

static inline void open_floats(struct written *view, const struct stored_files *files)
{
    const char *name = view->layer->name;
    const bool mlx = view->trial->target == DIALECT_MLX, nibbles = !mlx && view->bits == 4 && view->trial->options.variant != VARIANT_UNPACKED;
    const uint32_t out = view->layer->out, in = view->layer->in;
    view->bytes = !mlx && !nibbles;
    view->codes = stored_find(files, name, ".weight");
    view->zeros = stored_find(files, name, mlx ? ".biases" : ".weight_offset");
    view->scales = stored_find(files, name, mlx ? ".scales" : ".weight_scale");
    if (mlx)
        expect_tensor(view, &view->codes, ".weight", "U32", out, stream_words(view->bits, false, in));
    else
        expect_tensor(view, &view->codes, ".weight", "I8", nibbles && view->groups > 1 ? out / 2 : out, nibbles && view->groups == 1 ? in / 2 : in);
    expect_tensor(view, &view->zeros, "biases or offsets", real_name(view->real), out, view->groups);
    expect_tensor(view, &view->scales, "scales", real_name(view->real), out, view->groups);
}

static inline struct written view_open(const struct trial *trial, const struct stored_files *files, const struct layer *layer)
{
    uint32_t rules = 0;
    struct written view = {.trial = trial,
                        .layer = layer,
                        .bits = target_bits(trial, layer),
                        .real = target_real(trial, layer),
                        .add = middle_shift(trial, layer),
                        .group = target_group(trial, layer, &rules)};
    view.groups = (layer->in + view.group - 1) / view.group;
    if (trial->target == DIALECT_CT)
        open_ct(&view, files);
    else if (trial->target == DIALECT_MLX || trial->target == DIALECT_MS)
        open_floats(&view, files);
    else
        open_words(&view, files);
    return view;
}

/* The unsigned code of (o, k). */
static inline uint32_t view_code(const struct written *view, uint32_t o, uint32_t k)
{
    const uint32_t out = view->layer->out, in = view->layer->in, middle = 1u << (view->bits - 1);
    uint32_t field;
    if (view->bytes)
        return (uint32_t)((int8_t)view->codes.data[(size_t)o * in + k] + (int32_t)middle);
    if (view->trial->target == DIALECT_MS) {
        const bool along_out = view->groups > 1;
        const uint8_t byte = view->codes.data[along_out ? (size_t)(o / 2) * in + k : ((size_t)o * in + k) / 2];
        return ((uint32_t)byte >> ((along_out ? o : k) % 2 * 4) & 15) ^ 8; /* two's complement to unsigned */
    }
    const struct stream stream = code_stream(view->trial->target, view->bits, false, SHAPE(out, in), SHAPE(o, k), &field);
    return stream_at(view->codes.data, stream, field);
}

/* The unsigned zero of (o, group), of dialects that keep integers. */
static inline int32_t view_zero(const struct written *view, uint32_t o, uint32_t g)
{
    const int32_t middle = 1 << (view->bits - 1), mask = (1 << view->bits) - 1;
    if (view->zeros.data == NULL)
        return middle;
    if (view->bytes)
        return (int8_t)view->zeros.data[(size_t)o * view->groups + g] + middle;
    const struct stream stream = zero_stream(view->trial->target, view->bits, false, SHAPE(view->layer->out, view->groups), g);
    const int32_t field = (int32_t)stream_at(view->zeros.data, stream, out_field(view->trial->target, o));
    return view->trial->target == DIALECT_GPTQ ? (field + 1) & mask : field;
}

/* The group of column k by the target's own map. */
static inline uint32_t view_group(const struct written *view, uint32_t k)
{
    const uint32_t group = view->group_of.data == NULL ? k / view->group : word_at(view->group_of.data, k);
    if (group >= view->groups)
        complain(view->trial, "%s: column %u has group %u of %u", view->layer->name, k, group, view->groups);
    return group;
}

static inline float view_float(const struct written *view, const struct stored_tensor *tensor, uint32_t o, uint32_t g)
{
    const bool turned = view->trial->target == DIALECT_AWQ || view->trial->target == DIALECT_GPTQ || view->trial->target == DIALECT_GPTQ_V2;
    return real_at(tensor->data, view->real, turned ? (size_t)g * view->layer->out + o : (size_t)o * view->groups + g);
}

/* The zero that a code target must have: a dead group's that has no field becomes the middle. */
static inline int32_t expected_zero(const struct written *view, size_t at)
{
    const int32_t zero = view->layer->zero[at] + view->add;
    return zero >= (view->trial->target == DIALECT_GPTQ ? 1 : 0) && zero < 1 << view->bits ? zero : 1 << (view->bits - 1);
}

static inline void check_float_zero(const struct written *view, uint32_t o, uint32_t g, size_t at)
{
    const struct layer *layer = view->layer;
    const float stored = view_float(view, &view->zeros, o, g), kept = real_round(view->real, layer->scale[at]);
    float expected = 0.0f;
    if (zeros_move(view->trial, layer))
        expected = real_round(view->real, layer->offset[at]);
    else if (view->trial->target == DIALECT_MLX)
        expected = (float)(-(double)(layer->zero[at] + view->add) * (double)kept);
    else
        expected = (float)(layer->zero[at] - layer_mid(layer));
    if (view->trial->target == DIALECT_MS && layer_dead(layer, at)) /* whatever stands there */
        return;
    if (isnan(expected) ? !isnan(stored) : stored != expected)
        complain(view->trial, "%s (%u, group %u): bias or offset %a, expected %a (scale %a)", layer->name, o, g, (double)stored, (double)expected,
                 (double)kept);
}

static inline void check_pair(const struct written *view, uint32_t o, uint32_t k)
{
    const struct layer *layer = view->layer;
    const size_t at = (size_t)o * layer->groups + layer_group_of(layer, k);
    const uint32_t g = view_group(view, k);
    const float scale = view_float(view, &view->scales, o, g), kept = real_round(view->real, layer->scale[at]);
    if (bits_of(scale) != bits_of(kept))
        complain(view->trial, "%s (%u, %u): scale %a, expected %a", layer->name, o, k, (double)scale, (double)kept);
    if (view->trial->target == DIALECT_MLX || view->trial->target == DIALECT_MS)
        check_float_zero(view, o, g, at);
    else if (view_zero(view, o, g) != expected_zero(view, at) && !(view->zeros.data == NULL && kept == 0.0f))
        complain(view->trial, "%s (%u, %u): zero %d, expected %d (scale %a)", layer->name, o, k, view_zero(view, o, g), expected_zero(view, at),
                 (double)scale);
}

/* The number that is stored, which no F32 rounding enters: products of at most 9 and 24 bits are exact in double. */
static inline double view_value(const struct written *view, uint32_t o, uint32_t k)
{
    const uint32_t g = view_group(view, k);
    const double code = view_code(view, o, k), scale = view_float(view, &view->scales, o, g);
    if (view->trial->target == DIALECT_MLX)
        return scale * code + (double)view_float(view, &view->zeros, o, g);
    if (scale == 0.0)
        return 0.0;
    if (view->trial->target == DIALECT_MS)
        return (code - ((double)view_float(view, &view->zeros, o, g) + (double)(1 << (view->bits - 1)))) * scale;
    return (code - view_zero(view, o, g)) * scale;
}

static inline double expected_value(const struct written *view, uint32_t o, uint32_t k)
{
    const struct layer *layer = view->layer;
    const size_t at = (size_t)o * layer->groups + layer_group_of(layer, k);
    const double code = layer->code[(size_t)o * layer->in + k], scale = real_round(view->real, layer->scale[at]);
    if (view->trial->c->dialect == DIALECT_MLX && zeros_move(view->trial, layer))
        return scale * code + (double)real_round(view->real, layer->offset[at]);
    if (layer_dead(layer, at))
        return 0.0;
    if (zeros_move(view->trial, layer))
        return (code - ((double)layer->offset[at] + layer_mid(layer))) * scale;
    return (code - layer->zero[at]) * scale;
}

static inline void check_codes(const struct written *view)
{
    const struct layer *layer = view->layer;
    for (uint32_t o = 0; o < layer->out; o++) {
        for (uint32_t k = 0; k < layer->in; k++) {
            const int32_t code = (int32_t)layer->code[(size_t)o * layer->in + k] + view->add;
            if (k == 0 || layer_group_of(layer, k) != layer_group_of(layer, k - 1))
                check_pair(view, o, k);
            if ((int32_t)view_code(view, o, k) != code)
                complain(view->trial, "%s (%u, %u): code %u, expected %d", layer->name, o, k, view_code(view, o, k), code);
            if (view_value(view, o, k) != expected_value(view, o, k) && !isinf(expected_value(view, o, k)))
                complain(view->trial, "%s (%u, %u): value %a, expected %a", layer->name, o, k, view_value(view, o, k), expected_value(view, o, k));
        }
    }
}

/* --- floats and activations ------------------------------------------------------------------------------------------------------- */

static inline void check_dense(const struct trial *trial, const struct stored_files *files, const struct layer *layer)
{
    const struct stored_tensor tensor = stored_find(files, layer->name, ".weight");
    const struct written view = {.trial = trial, .layer = layer, .real = target_real(trial, layer)};
    expect_tensor(&view, &tensor, ".weight", real_name(view.real), layer->out, layer->in);
    for (uint32_t o = 0; o < layer->out; o++) {
        for (uint32_t k = 0; k < layer->in; k++) {
            const float own = layer_value(trial->c, layer, o, k), source = trial->c->dialect == DIALECT_HF ? real_round(trial->c->real, own) : own;
            const float value = real_at(tensor.data, view.real, (size_t)o * layer->in + k), expected = real_round(view.real, source);
            if (isnan(expected) ? !isnan(value) : bits_of(value) != bits_of(expected))
                complain(trial, "%s (%u, %u): value %a, expected %a", layer->name, o, k, (double)value, (double)expected);
        }
    }
}

/* deq_scale keeps its dtype; where there was none, it is I64 beside F16 floats. */
static inline void check_products(const struct written *view, const struct stored_files *files)
{
    const struct layer *layer = view->layer;
    const struct stored_tensor deq = stored_find(files, layer->name, ".deq_scale"), bias = stored_find(files, layer->name, ".quant_bias");
    const bool wide = view->trial->c->dialect == DIALECT_MS ? layer->wide_deq : view->trial->c->stated == REAL_F16;
    expect_tensor(view, &deq, ".deq_scale", wide ? "I64" : "F32", layer->out, 0);
    expect_tensor(view, &bias, ".quant_bias", "I32", layer->out, 0);
    for (uint32_t o = 0; o < layer->out; o++) {
        const uint32_t bits = bits_of(deq_scale_of(layer, o)), high = bits >> 31 != 0 ? UINT32_MAX : 0;
        if (word_at(deq.data, wide ? 2 * o : o) != bits || (wide && word_at(deq.data, 2 * o + 1) != high))
            complain(view->trial, "%s.deq_scale of channel %u", layer->name, o);
        if ((int32_t)word_at(bias.data, o) != quant_bias_of(layer, o))
            complain(view->trial, "%s.quant_bias of channel %u is %d, expected %d", layer->name, o, (int32_t)word_at(bias.data, o),
                     quant_bias_of(layer, o));
    }
}

static inline void check_activations(const struct written *view, const struct stored_files *files)
{
    const struct layer *layer = view->layer;
    const bool ms = view->trial->target == DIALECT_MS;
    const struct stored_tensor scale = stored_find(files, layer->name, ".input_scale");
    const struct stored_tensor zero = stored_find(files, layer->name, ms ? ".input_offset" : ".input_zero_point");
    if (target_act(view->trial, layer) != ACT_STATIC) {
        if (scale.data != NULL || zero.data != NULL)
            complain(view->trial, "%s has parameters of static activations", layer->name);
        return;
    }
    expect_tensor(view, &scale, ".input_scale", real_name(input_real(view->trial, layer)), 1, 0);
    if (bits_of(real_at(scale.data, input_real(view->trial, layer), 0)) != bits_of(real_round(input_real(view->trial, layer), layer->input_scale)))
        complain(view->trial, "%s.input_scale is another", layer->name);
    if (ms || layer->input_zero != 0.0f)
        expect_tensor(view, &zero, "the input zero", ms ? real_name(input_real(view->trial, layer)) : "I8", 1, 0);
    else if (zero.data != NULL)
        complain(view->trial, "%s.input_zero_point of 0 is there", layer->name);
    if (zero.data != NULL && (ms ? real_at(zero.data, input_real(view->trial, layer), 0) : (float)(int8_t)zero.data[0]) != layer->input_zero)
        complain(view->trial, "%s: the input zero is another", layer->name);
    if (ms)
        check_products(view, files);
}

static inline void check_floats(const struct trial *trial, const struct stored_files *files)
{
    const struct stored_tensor norm = stored_find(files, "model.norm", ".weight"), embed = stored_find(files, "model.embed_tokens", ".weight");
    if (norm.data == NULL || embed.data == NULL || norm.rank != 1 || embed.rank != 2)
        complain(trial, "a float tensor is missing");
    for (size_t i = 0; i < FLOATS; i++)
        if (bits_of(real_at(norm.data, stored_real(&norm), i)) != bits_of(0.125f * (float)(i + 1)) ||
            bits_of(real_at(embed.data, stored_real(&embed), i)) != bits_of(0.25f * (float)i - 3.0f))
            complain(trial, "value %zu of a float tensor", i);
    if (stored_real(&norm) != real_of(trial->options.dtype, REAL_F32) || stored_real(&embed) != real_of(trial->options.dtype, REAL_BF16))
        complain(trial, "a float tensor has another dtype");
}

/* The whole directory against the model. */
static inline void check_written(const struct trial *trial, const char *dir)
{
    struct stored_files files;
    stored_open(&files, dir);
    check_floats(trial, &files);
    for (size_t l = 0; l < LAYERS; l++) {
        const struct layer *layer = &trial->c->layer[l];
        if (is_excluded(trial, layer)) {
            const struct written none = {.trial = trial, .layer = layer};
            static const char *const parts[] = {".weight", ".qweight", ".weight_packed", ".scales", ".weight_scale"};
            for (size_t p = 0; p < 5; p++)
                expect_absent(&none, &files, parts[p]);
        } else if (is_dense(trial, layer) || trial->c->dialect == DIALECT_HF) {
            check_dense(trial, &files, layer);
        } else {
            const struct written view = view_open(trial, &files, layer);
            check_codes(&view);
            check_activations(&view, &files);
        }
    }
    stored_close(&files);
}

#endif
