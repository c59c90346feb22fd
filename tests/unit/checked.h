/* A small llama for the tests of check: two blocks whose Linear layers are all 256 x 256, in any format, with one thing wrong at a time. */
#ifndef REPAQ_TESTS_CHECKED_H
#define REPAQ_TESTS_CHECKED_H

#include "base/tree.h"
#include "check/check.h"
#include "shard.h"

#include <sys/stat.h>

#define WIDTH 256u
#define LAYER_COUNT 2

/* What the llama is made of; zero means: nothing odd. */
struct llama {
    enum encoding encoding;
    const char *quant;       /* quantization_config; NULL: none */
    const char *config;      /* further members of config.json, each with a comma before it */
    const char *model_type;  /* NULL: llama */
    const char *torch_dtype; /* NULL: float16 */
    const char *metadata;    /* __metadata__.format; NULL: pt; "": none */
    const char *file;        /* NULL: model.safetensors */
    const char *description; /* file name; NULL: quant_model_description.json */
    const char *members;     /* further members of the description, each with a comma after it */
    const char *skip;        /* tensors whose name ends so are not written */
    const char *unlisted;    /* entries of the description that end so are not written */
    const char *dense;       /* modules whose name ends so are float */
    const char *extra;       /* one more tensor of this name, F16 [256] */
    bool wide;               /* and it is F64 */
    bool bytes;              /* GPTQ of 8 bits */
    uint32_t zeros;          /* the word of qzeros; 0: the mid zero */
    uint16_t scale;          /* F16; 0: 1.0 */
    uint32_t group;          /* 0: 128; WIDTH: per channel */
    float offset;            /* msModelSlim */
    const char *type;        /* msModelSlim; NULL: W8A16 */
    enum { G_IDX_TRIVIAL, G_IDX_NONE, G_IDX_ZERO, G_IDX_ORDER } g_idx;
};

static inline uint32_t llama_group(const struct llama *llama)
{
    return llama->group == 0 ? 128 : llama->group;
}

static inline bool llama_ends(const char *name, const char *suffix)
{
    return suffix != NULL && slice_ends(slice_of(name), suffix);
}

static inline void fill_words(uint8_t *at, uint32_t word, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(at + 4 * i, &word, 4);
}

static inline void fill_halves(uint8_t *at, uint16_t half, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(at + 2 * i, &half, 2);
}

/* Adds module.suffix unless it is left out; room for its bytes, or NULL. */
static inline uint8_t *llama_put(const struct llama *llama, struct shard *shard, const char *name, const char *dtype, const char *shape, size_t bytes)
{
    return llama_ends(name, llama->skip) ? NULL : shard_add(shard, name, dtype, shape, bytes);
}

static inline void put_packed(const struct llama *llama, struct shard *shard, const char *module)
{
    char name[200], shape[64];
    const bool awq = llama->encoding == ENCODING_AWQ, v2 = llama->encoding == ENCODING_GPTQ_V2;
    const uint32_t groups = WIDTH / llama_group(llama), words = llama->bytes ? 64 : 32,
                   zeros = llama->zeros != 0 ? llama->zeros : llama->bytes ? 0x7f7f7f7fu : awq || v2 ? 0x88888888u : 0x77777777u;
    (void)snprintf(name, sizeof name, "%s.qweight", module);
    (void)llama_put(llama, shard, name, "I32", awq ? "256,32" : llama->bytes ? "64,256" : "32,256", WIDTH * words * 4);
    (void)snprintf(name, sizeof name, "%s.qzeros", module);
    (void)snprintf(shape, sizeof shape, "%u,%u", groups, words);
    uint8_t *at = llama_put(llama, shard, name, "I32", shape, groups * words * 4);
    if (at != NULL)
        fill_words(at, zeros, groups * words);
    (void)snprintf(name, sizeof name, "%s.scales", module);
    (void)snprintf(shape, sizeof shape, "%u,256", groups);
    at = llama_put(llama, shard, name, "F16", shape, groups * 512u);
    if (at != NULL)
        fill_halves(at, llama->scale == 0 ? 0x3c00 : llama->scale, groups * WIDTH);
    (void)snprintf(name, sizeof name, "%s.g_idx", module);
    at = awq || llama->g_idx == G_IDX_NONE ? NULL : llama_put(llama, shard, name, "I32", "256", WIDTH * 4);
    for (uint32_t k = 0; at != NULL && k < WIDTH; k++)
        fill_words(at + 4 * k, llama->g_idx == G_IDX_ZERO ? 0 : llama->g_idx == G_IDX_ORDER ? k % groups : k / llama_group(llama), 1);
}

static inline void put_described(const struct llama *llama, struct shard *shard, const char *module)
{
    char name[200], shape[64];
    const uint32_t groups = WIDTH / llama_group(llama);
    const float one = 1.0f;
    (void)snprintf(name, sizeof name, "%s.weight", module);
    (void)llama_put(llama, shard, name, "I8", "256,256", WIDTH * WIDTH);
    (void)snprintf(shape, sizeof shape, "256,%u", groups);
    for (int part = 0; part < 2; part++) {
        (void)snprintf(name, sizeof name, "%s.weight_%s", module, part == 0 ? "scale" : "offset");
        uint8_t *at = llama_put(llama, shard, name, "F32", shape, WIDTH * groups * 4u);
        for (size_t i = 0; at != NULL && i < (size_t)WIDTH * groups; i++)
            memcpy(at + 4 * i, part == 0 ? &one : &llama->offset, 4);
    }
}

static inline void put_ct(const struct llama *llama, struct shard *shard, const char *module)
{
    char name[200], shape[64];
    const uint32_t groups = WIDTH / llama_group(llama);
    const int64_t sides[2] = {WIDTH, WIDTH};
    (void)snprintf(name, sizeof name, "%s.weight_packed", module);
    (void)llama_put(llama, shard, name, "I32", "256,32", WIDTH * WIDTH / 2);
    (void)snprintf(name, sizeof name, "%s.weight_scale", module);
    (void)snprintf(shape, sizeof shape, "256,%u", groups);
    uint8_t *at = llama_put(llama, shard, name, "F16", shape, WIDTH * groups * 2u);
    if (at != NULL)
        fill_halves(at, 0x3c00, WIDTH * groups);
    (void)snprintf(name, sizeof name, "%s.weight_shape", module);
    at = llama_put(llama, shard, name, "I64", "2", sizeof sides);
    if (at != NULL)
        memcpy(at, sides, sizeof sides);
}

static inline void put_module(const struct llama *llama, struct shard *shard, const char *module)
{
    char name[200];
    if (llama->encoding == ENCODING_HF || llama_ends(module, llama->dense)) {
        (void)snprintf(name, sizeof name, "%s.weight", module);
        (void)llama_put(llama, shard, name, "F16", "256,256", WIDTH * WIDTH * 2);
    } else if (llama->encoding == ENCODING_MS) {
        put_described(llama, shard, module);
    } else if (llama->encoding == ENCODING_CT) {
        put_ct(llama, shard, module);
    } else {
        put_packed(llama, shard, module);
    }
}

/* Every tensor of the header under its module's type. */
static inline void put_description(const struct llama *llama, const struct shard *shard, const char *dir)
{
    char text[16384];
    size_t used = (size_t)snprintf(text, sizeof text, "{%s", llama->members == NULL ? "\"version\": \"1.0.0\", \"group_size\": 0, " : llama->members);
    const char *type = llama->type == NULL ? "W8A16" : llama->type;
    for (const char *at = strstr(shard->header, "\":{\"dtype\":\""); at != NULL; at = strstr(at + 1, "\":{\"dtype\":\"")) {
        const char *start = at;
        char name[128];
        while (start[-1] != '"')
            start--;
        (void)snprintf(name, sizeof name, "%.*s", (int)(at - start), start);
        const bool quantized = strncmp(at + 12, "I8", 2) == 0 || strstr(name, "weight_scale") != NULL || strstr(name, "weight_offset") != NULL;
        if (!llama_ends(name, llama->unlisted))
            used += (size_t)snprintf(text + used, sizeof text - used, "\"%s\": \"%s\", ", name, quantized ? type : "FLOAT");
    }
    used += (size_t)snprintf(text + used, sizeof text - used, "\"model_quant_type\": \"%s\"}", type);
    spill(dir, llama->description == NULL ? "quant_model_description.json" : llama->description, text, used);
}

static inline void put_config(const struct llama *llama, const char *dir)
{
    char text[8192];
    const int used = snprintf(text, sizeof text,
                              "{\"model_type\": \"%s\", \"hidden_size\": 256, \"intermediate_size\": 256, \"num_attention_heads\": 2, \"num_key_value_heads\": 2, "
                              "\"num_hidden_layers\": %d, \"vocab_size\": 256, \"rms_norm_eps\": 1e-06, \"torch_dtype\": \"%s\"%s%s%s}",
                              llama->model_type == NULL ? "llama" : llama->model_type, LAYER_COUNT, llama->torch_dtype == NULL ? "float16" : llama->torch_dtype,
                              llama->config == NULL ? "" : llama->config, llama->quant == NULL ? "" : ", \"quantization_config\": ",
                              llama->quant == NULL ? "" : llama->quant);
    spill(dir, "config.json", text, (size_t)used);
}

/* Writes it into dir, which is emptied first. */
static inline void llama_write(const struct llama *llama, const char *dir)
{
    static const char *const modules[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                                          "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
    static const char *const floats[] = {"model.embed_tokens.weight", "lm_head.weight"};
    char name[128];
    struct shard shard = {0};
    NEED(tree_remove(&file_posix, dir, NULL) == STATUS_OK && mkdir(dir, 0777) == 0);
    if (llama->metadata == NULL || llama->metadata[0] != '\0')
        shard.used = (size_t)snprintf(shard.header, sizeof shard.header, "{\"__metadata__\":{\"format\":\"%s\"}",
            llama->metadata == NULL ? "pt" : llama->metadata);
    for (size_t f = 0; f < 2; f++)
        (void)llama_put(llama, &shard, floats[f], "F16", "256,256", WIDTH * WIDTH * 2);
    (void)llama_put(llama, &shard, "model.norm.weight", "F16", "256", WIDTH * 2);
    for (int l = 0; l < LAYER_COUNT; l++) {
        for (size_t m = 0; m < sizeof modules / sizeof modules[0]; m++) {
            (void)snprintf(name, sizeof name, "model.layers.%d.%s", l, modules[m]);
            put_module(llama, &shard, name);
        }
        (void)snprintf(name, sizeof name, "model.layers.%d.input_layernorm.weight", l);
        (void)llama_put(llama, &shard, name, "F16", "256", WIDTH * 2);
        (void)snprintf(name, sizeof name, "model.layers.%d.post_attention_layernorm.weight", l);
        (void)llama_put(llama, &shard, name, "F16", "256", WIDTH * 2);
    }
    if (llama->extra != NULL)
        (void)shard_add(&shard, llama->extra, llama->wide ? "F64" : "F16", "256", WIDTH * (llama->wide ? 8 : 2));
    if (llama->encoding == ENCODING_MS)
        put_description(llama, &shard, dir);
    shard_write(&shard, dir, llama->file == NULL ? "model.safetensors" : llama->file);
    put_config(llama, dir);
    spill(dir, "tokenizer.json", "{}", 2);
    spill(dir, "tokenizer_config.json", "{}", 2);
}

#endif
