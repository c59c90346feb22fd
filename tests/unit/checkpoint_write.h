/* Directories of a random checkpoint, in every dialect. */
#ifndef REPAQ_TESTS_CHECKPOINT_WRITE_H
#define REPAQ_TESTS_CHECKPOINT_WRITE_H

#include "checkpoint.h"
#include "shard.h"

#include <stdarg.h>
#include <sys/stat.h>

/* One checkpoint directory under way. */
struct writing {
    const struct checkpoint *c;
    const struct layer *layer;
    struct shard shard;
    const char *stem;
    char index[8192];
    size_t used;
    int file; /* 1 or 2 */
};

/* A tensor of the current layer: a dimension of UINT32_MAX is left out. */
static inline uint8_t *part_add(struct writing *w, const char *suffix, const char *dtype, const uint32_t shape[2], size_t bytes)
{
    char name[96], text[64] = "";
    (void)snprintf(name, sizeof name, "%s%s", w->layer->name, suffix);
    if (shape[0] != UINT32_MAX)
        (void)snprintf(text, sizeof text, shape[1] == UINT32_MAX ? "%u" : "%u,%u", shape[0], shape[1]);
    w->used += (size_t)snprintf(w->index + w->used, sizeof w->index - w->used, ", \"%s\": \"%s-0000%d-of-00002.safetensors\"", name, w->stem, w->file);
    return shard_add(&w->shard, name, dtype, text, bytes);
}

#define SHAPE(...) ((const uint32_t[2]){__VA_ARGS__})
#define VECTOR(a) SHAPE((a), UINT32_MAX)

/* Values [out][groups] in the layer's shape, or [groups][out]. */
static inline void write_params(struct writing *w, const char *suffix, const float *values, bool turned)
{
    const struct layer *layer = w->layer;
    const enum real real = layer_real(w->c, layer);
    const uint32_t out = layer->out, groups = layer->groups, pairs = layer->shape == SHAPE_ONE ? 1 : out * groups;
    const uint32_t *shape = turned                                                      ? SHAPE(groups, out)
                            : layer->shape == SHAPE_GROUPS                              ? SHAPE(out, groups)
                            : layer->shape == SHAPE_VECTOR || layer->shape == SHAPE_ONE ? VECTOR(pairs)
                                                                                        : SHAPE(pairs, 1);
    uint8_t *data = part_add(w, suffix, real_name(real), shape, (size_t)pairs * real_size(real));
    for (uint32_t i = 0; i < pairs; i++)
        real_put(data, real, i, values[turned ? i % out * groups + i / out : i]);
}

static inline void write_order(struct writing *w, const char *suffix)
{
    const struct layer *layer = w->layer;
    if (layer->group_of == NULL)
        return;
    uint8_t *order = part_add(w, suffix, "I32", VECTOR(layer->in), (size_t)layer->in * 4);
    for (uint32_t k = 0; k < layer->in; k++)
        word_put(order, k, (uint32_t)layer->group_of[k]);
}

static inline void write_packed(struct writing *w, const char *suffix, const char *dtype)
{
    const struct layer *layer = w->layer;
    const enum dialect dialect = w->c->dialect;
    const bool awq = dialect == DIALECT_AWQ, gptq = dialect == DIALECT_GPTQ || dialect == DIALECT_GPTQ_V2, spare = dialect == DIALECT_CT && layer->spare;
    const uint32_t lanes = awq ? layer->in : layer->out, words = (uint32_t)stream_words(layer->bits, spare, awq ? layer->out : layer->in);
    uint8_t *data = part_add(w, suffix, dtype, gptq ? SHAPE(words, lanes) : SHAPE(lanes, words), (size_t)lanes * words * 4);
    for (uint32_t o = 0; o < layer->out; o++) {
        for (uint32_t k = 0; k < layer->in; k++) {
            uint32_t field;
            const struct stream stream = code_stream(dialect, layer->bits, spare, SHAPE(layer->out, layer->in), SHAPE(o, k), &field);
            stream_put(data, stream, field, layer->code[(size_t)o * layer->in + k]);
        }
    }
}

static inline void write_fields(struct writing *w, const char *suffix)
{
    const struct layer *layer = w->layer;
    const bool ct = w->c->dialect == DIALECT_CT, v1 = w->c->dialect == DIALECT_GPTQ, spare = ct && layer->spare;
    const bool words_add = v1 && layer->bits != 3 && (w->c->v1 == V1_META || w->c->v1 == V1_WORD_ADD);
    const uint32_t words = (uint32_t)stream_words(layer->bits, spare, layer->out), mask = (1u << layer->bits) - 1;
    uint8_t *data = part_add(w, suffix, "I32", ct ? SHAPE(words, layer->groups) : SHAPE(layer->groups, words), (size_t)layer->groups * words * 4);
    for (uint32_t g = 0; g < layer->groups; g++) {
        const struct stream stream = zero_stream(w->c->dialect, layer->bits, spare, SHAPE(layer->out, layer->groups), g);
        for (uint32_t o = 0; o < layer->out; o++) {
            const uint32_t zero = (uint32_t)layer->zero[(size_t)o * layer->groups + g];
            stream_put(data, stream, out_field(w->c->dialect, o), v1 && !words_add ? (zero - 1) & mask : zero);
        }
    }
    for (uint32_t i = 0; words_add && i < words * layer->groups; i++)
        word_put(data, i, word_at(data, i) - UINT32_MAX / mask);
}

static inline void write_hf_layer(struct writing *w)
{
    write_packed(w, ".qweight", "I32");
    write_fields(w, ".qzeros");
    write_params(w, ".scales", w->layer->scale, true);
    write_order(w, ".g_idx");
}

/* Codes less the middle, as bytes or, two in a byte, along out or in. */
static inline void write_signed(struct writing *w, bool along_out, bool along_in)
{
    const struct layer *layer = w->layer;
    const uint32_t rows = along_out ? layer->out / 2 : layer->out, columns = along_in ? layer->in / 2 : layer->in;
    uint8_t *data = part_add(w, ".weight", "I8", SHAPE(rows, columns), (size_t)rows * columns);
    for (uint32_t o = 0; o < layer->out; o++) {
        for (uint32_t k = 0; k < layer->in; k++) {
            const uint8_t code = (uint8_t)(layer->code[(size_t)o * layer->in + k] - layer_mid(layer));
            if (along_out)
                data[(size_t)(o / 2) * layer->in + k] |= (uint8_t)((code & 15) << (o % 2 * 4));
            else if (along_in)
                data[((size_t)o * layer->in + k) / 2] |= (uint8_t)((code & 15) << (k % 2 * 4));
            else
                data[(size_t)o * layer->in + k] = code;
        }
    }
}

/* quant_bias = rne(bias / deq_scale - zero * sum of codes), here without a bias. */
static inline int32_t quant_bias_of(const struct layer *layer, uint32_t o)
{
    int64_t sum = 0;
    for (uint32_t k = 0; k < layer->in; k++)
        sum += layer->code[(size_t)o * layer->in + k] - layer_mid(layer);
    return (int32_t)rint(0.0 - (double)layer->input_zero * (double)sum);
}

static inline float deq_scale_of(const struct layer *layer, uint32_t o)
{
    return layer->no_scale ? layer->deq_scale[o] : layer->input_scale * layer->scale[o];
}

static inline void write_ms_activations(struct writing *w)
{
    const struct layer *layer = w->layer;
    const enum real real = layer_real(w->c, layer);
    real_put(part_add(w, ".input_scale", real_name(real), VECTOR(1), real_size(real)), real, 0, layer->input_scale);
    real_put(part_add(w, ".input_offset", real_name(real), VECTOR(1), real_size(real)), real, 0, layer->input_zero);
    uint8_t *deq = part_add(w, ".deq_scale", layer->wide_deq ? "I64" : "F32", VECTOR(layer->out), (size_t)layer->out * (layer->wide_deq ? 8 : 4));
    uint8_t *bias = part_add(w, ".quant_bias", "I32", VECTOR(layer->out), (size_t)layer->out * 4);
    deq = w->shard.data + (bias - w->shard.data) - (size_t)layer->out * (layer->wide_deq ? 8 : 4); /* adding the second moved the first */
    for (uint32_t o = 0; o < layer->out; o++) {
        const uint32_t bits = bits_of(deq_scale_of(layer, o));
        word_put(deq, layer->wide_deq ? 2 * o : o, bits);
        if (layer->wide_deq)
            word_put(deq, 2 * o + 1, bits >> 31 != 0 ? UINT32_MAX : 0);
        word_put(bias, o, (uint32_t)quant_bias_of(layer, o));
    }
}

static inline void write_ms_layer(struct writing *w)
{
    const struct layer *layer = w->layer;
    const bool half = w->c->packed && layer->bits == 4, along_out = half && layer->shape == SHAPE_GROUPS;
    write_signed(w, along_out, half && !along_out);
    if (!layer->no_scale) {
        write_params(w, ".weight_scale", layer->scale, false);
        write_params(w, ".weight_offset", layer->offset, false);
    }
    if (layer->act == ACT_STATIC)
        write_ms_activations(w);
}

static inline void write_ct_layer(struct writing *w)
{
    const struct layer *layer = w->layer;
    const bool one = layer->shape == SHAPE_ONE, vector = layer->shape == SHAPE_VECTOR;
    if (layer->as_bytes)
        write_signed(w, false, false);
    else
        write_packed(w, ".weight_packed", "I32");
    write_params(w, ".weight_scale", layer->scale, false);
    if (layer->points == POINTS_FIELDS)
        write_fields(w, ".weight_zero_point");
    const uint32_t pairs = one ? 1 : layer->out * layer->groups;
    if (layer->points == POINTS_BYTES) {
        uint8_t *data = part_add(w, ".weight_zero_point", "I8", one || vector ? VECTOR(pairs) : SHAPE(layer->out, layer->groups), pairs);
        for (uint32_t i = 0; i < pairs; i++)
            data[i] = (uint8_t)(layer->zero[i] - layer_mid(layer));
    }
    if (!layer->as_bytes) {
        uint8_t *shape = part_add(w, ".weight_shape", layer->spare ? "I32" : "I64", VECTOR(2), layer->spare ? 8 : 16);
        word_put(shape, 0, layer->out);
        word_put(shape, layer->spare ? 1 : 2, layer->in);
    }
    write_order(w, ".weight_g_idx");
    if (layer->act != ACT_STATIC)
        return;
    real_put(part_add(w, ".input_scale", real_name(w->c->real), VECTOR(1), real_size(w->c->real)), w->c->real, 0, layer->input_scale);
    if (layer->input_zero != 0.0f)
        *part_add(w, ".input_zero_point", "I8", VECTOR(1), 1) = (uint8_t)(int8_t)layer->input_zero;
}

static inline void write_mlx_layer(struct writing *w)
{
    write_packed(w, ".weight", "U32");
    write_params(w, ".scales", w->layer->scale, false);
    write_params(w, ".biases", w->layer->offset, false);
}

static inline void write_dense_layer(struct writing *w)
{
    const struct layer *layer = w->layer;
    const enum real real = w->c->real;
    uint8_t *data = part_add(w, ".weight", real_name(real), SHAPE(layer->out, layer->in), (size_t)layer->out * layer->in * real_size(real));
    for (uint32_t o = 0; o < layer->out; o++)
        for (uint32_t k = 0; k < layer->in; k++)
            real_put(data, real, (size_t)o * layer->in + k, real_round(real, layer_value(w->c, layer, o, k)));
}

/* --- documents ---------------------------------------------------------------------------------------------------------------- */

struct page {
    char text[8192];
    size_t used;
};

static void page_add(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void page_add(struct page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    page->used += (size_t)vsnprintf(page->text + page->used, sizeof page->text - page->used, format, arguments);
    va_end(arguments);
    NEED(page->used < sizeof page->text);
}

static inline void describe_gptq(const struct checkpoint *c, struct page *page)
{
    page_add(page,
             ",\n  \"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": %u, \"group_size\": %d, \"sym\": %s, \"checkpoint_format\": \"%s\"%s",
             c->bits, c->group, c->sym ? "true" : "false", dialect_names[c->dialect],
             c->v1 == V1_META ? ", \"meta\": {\"quantizer\": [\"gptqmodel:4.0.0\"]}" : "");
    if (c->layer[1].bits != c->bits)
        page_add(page, ", \"dynamic\": {\"%s\": {\"bits\": %u}}", c->shards ? "+:.*layers\\\\.1\\\\..*" : "+:^model\\\\.layers\\\\.1\\\\.mlp\\\\.up_proj$",
                 c->layer[1].bits);
    page_add(page, "}");
}

static inline void describe_ct_group(const struct layer *layer, const char *target, struct page *page)
{
    const char *strategy = layer->shape == SHAPE_ONE ? "tensor" : layer->shape == SHAPE_GROUPS ? "group" : "channel";
    page_add(page, "\"%s\": {\"targets\": [\"%s\"], \"weights\": {\"num_bits\": %u, \"type\": \"int\", \"symmetric\": %s, \"strategy\": \"%s\"",
             layer->name, target, layer->bits, layer->points == POINTS_NONE ? "true" : "false", strategy);
    if (layer->shape == SHAPE_GROUPS)
        page_add(page, ", \"group_size\": %u", layer->group);
    page_add(page, "}, \"input_activations\": ");
    if (layer->act == ACT_NONE)
        page_add(page, "null");
    else
        page_add(page, "{\"num_bits\": 8, \"type\": \"int\", \"dynamic\": %s}",
                 layer->act == ACT_DYNAMIC ? "true, \"strategy\": \"token\", \"symmetric\": true" : "false");
    page_add(page, ", \"format\": \"%s\"}", layer->as_bytes ? "int-quantized" : "pack-quantized");
}

static inline void describe_ct(const struct checkpoint *c, struct page *page)
{
    static const char *const targets[LAYERS] = {"Linear", "re:.*layers\\\\.1\\\\.", "model.layers.2.mlp.up_proj"};
    page_add(
        page,
        ",\n  \"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"mixed-precision\", \"version\": \"%s\", \"config_groups\": {",
        c->layer[0].spare ? "0.12.3" : "0.18.0");
    for (size_t l = 0; l < LAYERS; l++) {
        describe_ct_group(&c->layer[l], targets[l], page);
        page_add(page, l + 1 < LAYERS ? ", " : "}, \"ignore\": [\"lm_head\"]}");
    }
}

static inline void describe_mlx(const struct checkpoint *c, struct page *page)
{
    page_add(page, ",\n  \"quantization\": {\"group_size\": %u, \"bits\": %u", c->layer[0].group, c->bits);
    for (size_t l = 1; l < LAYERS; l++)
        page_add(page, ", \"%s\": {\"group_size\": %u, \"bits\": %u}", c->layer[l].name, c->layer[l].group, c->layer[l].bits);
    page_add(page, "}");
}

static inline const char *ms_type(const struct layer *layer)
{
    return layer->act == ACT_STATIC ? "W8A8" : layer->act == ACT_DYNAMIC ? "W8A8_DYNAMIC" : layer->bits == 8 ? "W8A16" : "W4A16";
}

static inline void describe_ms(const struct checkpoint *c, struct page *page)
{
    static const char *const parts[] = {".weight", ".weight_scale", ".weight_offset", ".input_scale", ".input_offset", ".deq_scale", ".quant_bias"};
    page_add(page, "{\"model_quant_type\": \"%s\",%s", ms_type(&c->layer[0]), c->packed ? " \"version\": \"1.0.0\"," : "");
    if (c->group > 0)
        page_add(page, " \"group_size\": %d,", c->group);
    for (size_t l = 0; l < LAYERS; l++)
        for (size_t p = 0; p < (c->layer[l].act == ACT_STATIC ? 7 : 3); p++)
            if (p == 0 || p > 2 || !c->layer[l].no_scale)
                page_add(page, " \"%s%s\": \"%s\",", c->layer[l].name, parts[p], ms_type(&c->layer[l]));
    page_add(page, " \"model.norm.weight\": \"FLOAT\", \"model.embed_tokens.weight\": \"FLOAT\"}");
}

static inline void write_documents(const struct checkpoint *c, const char *dir)
{
    static const char *const dtypes[] = {"float16", "bfloat16", "float32"};
    struct page page = {.used = 0};
    page_add(&page, "{\n  \"architectures\": [\"LlamaForCausalLM\"],\n  \"model_type\": \"llama\",\n  \"rms_norm_eps\": 1e-06");
    if (c->stated != REAL_F16 || c->shards)
        page_add(&page, ",\n  \"%s\": \"%s\"", c->packed ? "dtype" : "torch_dtype", dtypes[c->stated]);
    if (c->dialect == DIALECT_AWQ)
        page_add(&page,
                 ",\n  \"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": %d, \"zero_point\": true, \"version\": \"gemm\"}",
                 c->group);
    else if (c->dialect == DIALECT_CT)
        describe_ct(c, &page);
    else if (c->dialect == DIALECT_MLX)
        describe_mlx(c, &page);
    else if (c->dialect == DIALECT_GPTQ || c->dialect == DIALECT_GPTQ_V2)
        describe_gptq(c, &page);
    page_add(&page, "\n}\n");
    spill(dir, "config.json", page.text, page.used);
    if (c->dialect != DIALECT_MS)
        return;
    page.used = 0;
    describe_ms(c, &page);
    spill(dir, "quant_model_description.json", page.text, page.used);
}

#define FLOATS 50 /* of each carried tensor; odd multiples of a quantum that BF16 and F16 hold */

static inline void write_floats(struct shard *shard)
{
    uint8_t *norm = shard_add(shard, "model.norm.weight", "F32", "50", FLOATS * 4), *embed;
    for (size_t i = 0; i < FLOATS; i++)
        real_put(norm, REAL_F32, i, 0.125f * (float)(i + 1));
    embed = shard_add(shard, "model.embed_tokens.weight", "BF16", "10,5", FLOATS * 2);
    for (size_t i = 0; i < FLOATS; i++)
        real_put(embed, REAL_BF16, i, 0.25f * (float)i - 3.0f);
}

static inline void write_layer(struct writing *w)
{
    switch (w->c->dialect) {
    case DIALECT_MS:
        write_ms_layer(w);
        break;
    case DIALECT_CT:
        write_ct_layer(w);
        break;
    case DIALECT_MLX:
        write_mlx_layer(w);
        break;
    case DIALECT_HF:
        write_dense_layer(w);
        break;
    default:
        write_hf_layer(w);
    }
}

/* Makes dir, which must not exist. */
static inline void checkpoint_write(const struct checkpoint *c, const char *dir)
{
    struct writing w = {.c = c, .stem = c->dialect == DIALECT_MS ? "quant_model_weights" : "model"};
    char name[96];
    NEED(mkdir(dir, 0777) == 0);
    write_documents(c, dir);
    w.used = (size_t)snprintf(w.index, sizeof w.index,
                              "{\"metadata\": {}, \"weight_map\": {\"model.norm.weight\": \"%s-00001-of-00002.safetensors\""
                              ", \"model.embed_tokens.weight\": \"%s-00001-of-00002.safetensors\"",
                              w.stem, w.stem);
    write_floats(&w.shard);
    for (uint32_t l = 0; l < LAYERS; l++) {
        w.layer = &c->layer[l];
        w.file = l == 0 ? 1 : 2;
        write_layer(&w);
        if (l != 0 || !c->shards)
            continue;
        (void)snprintf(name, sizeof name, "%s-00001-of-00002.safetensors", w.stem);
        shard_write(&w.shard, dir, name);
        w.shard = (struct shard){0};
    }
    (void)snprintf(name, sizeof name, c->shards ? "%s-00002-of-00002.safetensors" : "%s.safetensors", w.stem);
    shard_write(&w.shard, dir, name);
    w.used += (size_t)snprintf(w.index + w.used, sizeof w.index - w.used, "}}");
    NEED(w.used < sizeof w.index);
    (void)snprintf(name, sizeof name, "%s.safetensors.index.json", w.stem);
    if (c->shards)
        spill(dir, name, w.index, w.used);
}

#endif
