/* Random checkpoints for tests, written by plain loops of their own: nothing here uses the library's packers, rounding or readers.
 *
 * checkpoint_random fills a model from a seed, checkpoint_write makes a directory of its dialect, stored_open and the stored_* readers look into a
 * directory of any dialect, checkpoint_free ends it. A failed check aborts the program: these are tests. */
#ifndef REPAQ_TESTS_CHECKPOINT_H
#define REPAQ_TESTS_CHECKPOINT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NEED(condition)                                                                  \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                     \
        }                                                                                \
    } while (0)

enum dialect { DIALECT_MS, DIALECT_AWQ, DIALECT_GPTQ, DIALECT_GPTQ_V2, DIALECT_COUNT };
static const char *const dialect_names[DIALECT_COUNT] = {"msmodelslim", "awq", "gptq", "gptq_v2"};

enum real { REAL_F16, REAL_BF16, REAL_F32 };

/* How GPTQ v1 zeros are stored, and how it shows: by nothing (field-mod is assumed), by the config's meta, or by an option. */
enum v1 { V1_SILENT, V1_META, V1_FIELD_MOD, V1_WORD_ADD, V1_NO_MASK };

/* The shape that msModelSlim scales take. */
enum shape { SHAPE_GROUPS, SHAPE_FLAT, SHAPE_CHANNEL, SHAPE_VECTOR, SHAPE_ONE };

struct layer {
    char name[64];
    uint32_t out, in, bits, group, groups; /* group == in: per channel */
    uint8_t *code;      /* [out][in] */
    int32_t *zero;      /* [out][groups] */
    float *scale;       /* [out][groups], exact in the checkpoint's dtype */
    float *offset;      /* [out][groups]; msModelSlim */
    int32_t *group_of;  /* [in] as stored; NULL: none */
    enum shape shape;
};

#define LAYERS 3

struct checkpoint {
    enum dialect dialect;
    enum real real;      /* of scales */
    enum v1 v1;
    bool packed;         /* msModelSlim 1.0.0 */
    bool sym;            /* what the config claims */
    bool shards;         /* two files and an index */
    int32_t group;       /* of the config; -1 */
    uint32_t bits;       /* of the config */
    struct layer layer[LAYERS];
};

/* --- numbers -------------------------------------------------------------------------------------------------------------- */

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng) /* splitmix64 */
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    return (uint32_t)(rng_next(rng) >> 32) % bound;
}

static inline bool rng_one_in(struct rng *rng, uint32_t n)
{
    return rng_below(rng, n) == 0;
}

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To the nearest multiple of a quantum, ties to even: the value that F16 or BF16 has for it, by arithmetic alone. */
static inline float real_round(enum real real, float value)
{
    int exponent;
    if (real == REAL_F32 || value == 0.0f || !isfinite(value))
        return value;
    (void)frexp((double)value, &exponent);
    const int digits = real == REAL_F16 ? 11 : 8, least = real == REAL_F16 ? -24 : -133;
    const int quantum = exponent - digits < least ? least : exponent - digits;
    const double rounded = ldexp(nearbyint(ldexp((double)value, -quantum)), quantum);
    if (real == REAL_F16 && fabs(rounded) > 65504.0)
        return value < 0 ? -INFINITY : INFINITY;
    return (float)rounded;
}

static inline uint32_t real_size(enum real real)
{
    return real == REAL_F32 ? 4 : 2;
}

/* The bits of a value that the dtype holds exactly. */
static inline uint32_t real_bits(enum real real, float value)
{
    int exponent;
    if (real == REAL_F32)
        return bits_of(value);
    if (real == REAL_BF16)
        return bits_of(value) >> 16;
    const uint32_t sign = signbit(value) ? 0x8000u : 0;
    if (isnan(value))
        return sign | 0x7e00u;
    if (isinf(value))
        return sign | 0x7c00u;
    if (fabsf(value) < 0x1p-14f)
        return sign | (uint32_t)ldexp(fabs((double)value), 24);
    const double fraction = frexp(fabs((double)value), &exponent); /* [0.5, 1) */
    return sign | (uint32_t)(exponent + 14) << 10 | ((uint32_t)ldexp(fraction, 11) & 0x3ffu);
}

static inline float real_value(enum real real, uint32_t bits)
{
    if (real == REAL_F32)
        return float_of(bits);
    if (real == REAL_BF16)
        return float_of(bits << 16);
    const int exponent = (int)(bits >> 10 & 31), mantissa = (int)(bits & 0x3ff);
    const double size = exponent == 31 ? (mantissa != 0 ? (double)NAN : (double)INFINITY)
                        : exponent == 0 ? ldexp(mantissa, -24)
                                        : ldexp(mantissa + 1024, exponent - 25);
    return (float)(bits >> 15 != 0 ? -size : size);
}

/* --- random models --------------------------------------------------------------------------------------------------------- */

static inline int32_t layer_mid(const struct layer *layer)
{
    return 1 << (layer->bits - 1);
}

/* The group of column k as readers of the dialect see it. */
static inline uint32_t layer_group_of(const struct layer *layer, uint32_t k)
{
    bool zeros = layer->group_of != NULL;
    if (layer->group_of == NULL)
        return k / layer->group;
    for (uint32_t i = 0; i < layer->in && zeros; i++)
        zeros = layer->group_of[i] == 0;
    if (zeros)
        return k / layer->group;
    return (uint32_t)(layer->group_of[k] < 0 ? layer->group_of[k] + (int32_t)layer->groups : layer->group_of[k]);
}

static inline bool layer_ordered(const struct layer *layer)
{
    for (uint32_t k = 0; k < layer->in; k++)
        if (layer_group_of(layer, k) != k / layer->group)
            return false;
    return true;
}

static inline bool layer_dead(const struct layer *layer, size_t pair)
{
    return layer->scale[pair] == 0.0f;
}

static inline void layer_alloc(struct layer *layer)
{
    layer->groups = (layer->in + layer->group - 1) / layer->group;
    const size_t pairs = (size_t)layer->out * layer->groups;
    layer->code = malloc((size_t)layer->out * layer->in);
    layer->zero = malloc(pairs * sizeof *layer->zero);
    layer->scale = malloc(pairs * sizeof *layer->scale);
    layer->offset = malloc(pairs * sizeof *layer->offset);
    layer->group_of = NULL;
    NEED(layer->code != NULL && layer->zero != NULL && layer->scale != NULL && layer->offset != NULL);
}

/* A scale of the checkpoint's dtype: mostly positive and of ordinary size. */
static inline float random_scale(struct rng *rng, enum real real, bool dead)
{
    if (dead && rng_one_in(rng, 6))
        return rng_one_in(rng, 2) ? 0.0f : -0.0f;
    const float value = ldexpf((float)(1 + rng_below(rng, 1u << 23)), -24 - (int)rng_below(rng, 8));
    return real_round(real, rng_one_in(rng, 64) ? -value : value);
}

static inline void random_values(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    const bool symmetric = rng_one_in(rng, 3) || (c->sym && !rng_one_in(rng, 8)), dead = rng_one_in(rng, 3), with_zero = rng_one_in(rng, 3);
    const uint32_t top = 1u << layer->bits;
    for (size_t i = 0; i < (size_t)layer->out * layer->in; i++)
        layer->code[i] = (uint8_t)rng_below(rng, top);
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++) {
        const uint32_t least = c->dialect == DIALECT_GPTQ && c->v1 == V1_NO_MASK ? 1 : with_zero ? 0 : 1;
        layer->zero[i] = symmetric ? layer_mid(layer) : (int32_t)(least + rng_below(rng, top - least));
        if (c->dialect == DIALECT_GPTQ && c->v1 == V1_NO_MASK && with_zero && !symmetric && rng_one_in(rng, 16))
            layer->zero[i] = (int32_t)top;
        layer->scale[i] = random_scale(rng, c->real, dead);
        layer->offset[i] = (float)(layer->zero[i] - layer_mid(layer));
    }
}

/* One thing that no target can hold, or a fault. */
static inline void random_fault(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    const size_t at = rng_below(rng, layer->out * layer->groups);
    switch (c->dialect != DIALECT_MS && rng_one_in(rng, 2) ? 5 : rng_below(rng, 6)) {
    case 0:
        layer->scale[at] = INFINITY;
        break;
    case 1:
        layer->scale[at] = NAN;
        break;
    case 2:
        layer->scale[at] = real_round(c->real, c->real == REAL_F16 ? 1.0f : rng_one_in(rng, 2) ? 0x1p20f : 0x1p-40f);
        break;
    case 3: /* fractions and infinities, which F16 holds as well */
        layer->offset[at] = rng_one_in(rng, 2) ? 0.5f : rng_one_in(rng, 2) ? INFINITY : NAN;
        break;
    case 4:
        layer->offset[at] = (float)layer_mid(layer) * (rng_one_in(rng, 2) ? 1.0f : -1.25f);
        break;
    default:
        layer->scale[at] = 0.0f; /* dead: whatever the offset is */
        layer->offset[at] = rng_one_in(rng, 2) ? NAN : -3000.0f;
        break;
    }
    if (layer_dead(layer, at)) /* a zero that some targets have no field for */
        layer->zero[at] = c->dialect == DIALECT_GPTQ && c->v1 == V1_NO_MASK ? 2 * layer_mid(layer) : 0;
}

static inline void random_order(struct rng *rng, struct layer *layer)
{
    const uint32_t kind = rng_below(rng, 4);
    if (kind == 0)
        return;
    layer->group_of = malloc(layer->in * sizeof *layer->group_of);
    NEED(layer->group_of != NULL);
    for (uint32_t k = 0; k < layer->in; k++)
        layer->group_of[k] = (int32_t)(k / layer->group);
    if (kind == 1 && rng_one_in(rng, 4))
        memset(layer->group_of, 0, layer->in * sizeof *layer->group_of);
    if (kind != 2 || rng_one_in(rng, 2))
        return;
    for (uint32_t k = layer->in - 1; k > 0; k--) {
        const uint32_t other = rng_below(rng, k + 1);
        const int32_t kept = layer->group_of[k];
        layer->group_of[k] = layer->group_of[other];
        layer->group_of[other] = kept;
    }
    if (rng_one_in(rng, 4))
        layer->group_of[rng_below(rng, layer->in)] = -1;
}

static inline void random_shape(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    static const uint32_t outs[] = {8, 16, 24, 40, 64, 72, 104, 136, 264}, ins[] = {32, 64, 96, 128, 160, 224}, groups[] = {8, 16, 32, 32, 64};
    layer->out = outs[rng_below(rng, 9)];
    layer->in = ins[rng_below(rng, 6)];
    if (c->dialect != DIALECT_MS) {
        layer->group = c->group < 0 || (uint32_t)c->group > layer->in ? layer->in : (uint32_t)c->group;
        return;
    }
    if (rng_one_in(rng, 12))
        layer->out = rng_one_in(rng, 2) ? 12 : 30;
    if (rng_one_in(rng, 16))
        layer->in = rng_one_in(rng, 2) ? 36 : 46;
    layer->group = c->group > 0 ? (uint32_t)c->group : groups[rng_below(rng, 5)];
    if (layer->in % layer->group != 0 || layer->in == layer->group || rng_one_in(rng, 4))
        layer->group = layer->in;
    const bool flat = layer->bits == 8 || !c->packed;
    layer->shape = layer->group == layer->in ? (enum shape)(SHAPE_CHANNEL + (int)rng_below(rng, 3))
                                             : flat && rng_one_in(rng, 5) ? SHAPE_FLAT : SHAPE_GROUPS;
}

/* Values of SHAPE_ONE are one for the whole weight. */
static inline void make_one(struct layer *layer)
{
    for (size_t i = 1; i < (size_t)layer->out * layer->groups; i++) {
        layer->scale[i] = layer->scale[0];
        layer->offset[i] = layer->offset[0];
    }
}

/* msModelSlim's zero of a group: what its offset says, and the middle where the scale is 0. */
static inline void settle_zeros(struct layer *layer)
{
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++) {
        const bool whole = isfinite(layer->offset[i]) && layer->offset[i] == floorf(layer->offset[i]);
        layer->zero[i] = layer_mid(layer) + (layer_dead(layer, i) || !whole ? 0 : (int32_t)layer->offset[i]);
    }
}

static inline void checkpoint_random(struct checkpoint *c, enum dialect dialect, uint64_t seed)
{
    static const int32_t groups[] = {8, 16, 32, 32, 64, 128, -1};
    struct rng rng = {seed * DIALECT_COUNT + (uint64_t)dialect};
    *c = (struct checkpoint){.dialect = dialect, .real = (enum real)rng_below(&rng, 3), .v1 = (enum v1)rng_below(&rng, 5),
                             .packed = rng_one_in(&rng, 2), .shards = rng_one_in(&rng, 3), .bits = 4};
    if (dialect != DIALECT_MS && rng_one_in(&rng, 2))
        c->real = REAL_F16;
    c->group = groups[rng_below(&rng, 7)];
    if (dialect == DIALECT_MS && (c->group < 0 || rng_one_in(&rng, 2)))
        c->group = 0; /* each layer its own */
    if (dialect != DIALECT_AWQ && rng_one_in(&rng, 3))
        c->bits = 8;
    c->sym = (dialect == DIALECT_GPTQ || dialect == DIALECT_GPTQ_V2) && rng_one_in(&rng, 4);
    const bool mixed = dialect == DIALECT_MS && rng_one_in(&rng, 6);
    const uint32_t faulty = rng_one_in(&rng, 4) ? rng_below(&rng, LAYERS) : LAYERS;
    for (uint32_t l = 0; l < LAYERS; l++) {
        struct layer *layer = &c->layer[l];
        (void)snprintf(layer->name, sizeof layer->name, "model.layers.%u.mlp.up_proj", l);
        layer->bits = mixed && l == 1 ? 12 - c->bits : c->bits;
        random_shape(&rng, c, layer);
        layer_alloc(layer);
        random_values(&rng, c, layer);
        if (l == faulty)
            random_fault(&rng, c, layer);
        if (dialect == DIALECT_MS && layer->shape == SHAPE_ONE)
            make_one(layer);
        if (dialect == DIALECT_MS)
            settle_zeros(layer);
        if (dialect == DIALECT_GPTQ || dialect == DIALECT_GPTQ_V2)
            random_order(&rng, layer);
    }
}

static inline void checkpoint_free(struct checkpoint *c)
{
    for (size_t l = 0; l < LAYERS; l++) {
        free(c->layer[l].code);
        free(c->layer[l].zero);
        free(c->layer[l].scale);
        free(c->layer[l].offset);
        free(c->layer[l].group_of);
    }
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

/* One safetensors file under way. */
struct shard {
    char header[16384];
    size_t used;
    uint8_t *data;
    size_t bytes;
};

static inline uint8_t *shard_add(struct shard *shard, const char *name, const char *dtype, const char *shape, size_t bytes)
{
    shard->used += (size_t)snprintf(shard->header + shard->used, sizeof shard->header - shard->used,
                                    "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", shard->used == 0 ? '{' : ',', name, dtype, shape,
                                    shard->bytes, shard->bytes + bytes);
    NEED(shard->used + 16 < sizeof shard->header);
    shard->data = realloc(shard->data, shard->bytes + bytes + 1);
    NEED(shard->data != NULL);
    memset(shard->data + shard->bytes, 0, bytes);
    shard->bytes += bytes;
    return shard->data + shard->bytes - bytes;
}

static inline void spill(const char *dir, const char *name, const void *data, size_t size)
{
    char path[1200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    NEED(file != NULL);
    NEED(fwrite(data, 1, size, file) == size);
    NEED(fclose(file) == 0);
}

static inline void shard_write(struct shard *shard, const char *dir, const char *name)
{
    shard->header[shard->used++] = '}';
    while (shard->used % 8 != 0)
        shard->header[shard->used++] = ' ';
    uint8_t *whole = malloc(8 + shard->used + shard->bytes);
    NEED(whole != NULL);
    for (size_t i = 0; i < 8; i++)
        whole[i] = (uint8_t)((uint64_t)shard->used >> (8 * i));
    memcpy(whole + 8, shard->header, shard->used);
    if (shard->bytes > 0)
        memcpy(whole + 8 + shard->used, shard->data, shard->bytes);
    spill(dir, name, whole, 8 + shard->used + shard->bytes);
    free(whole);
    free(shard->data);
}

static inline uint32_t word_at(const uint8_t *data, size_t index)
{
    data += 4 * index;
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static inline void word_put(uint8_t *data, size_t index, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++)
        data[4 * index + i] = (uint8_t)(word >> (8 * i));
}

/* The slot of nibble i of an AWQ word, and its inverse. */
static const uint8_t awq_slot[8] = {0, 2, 4, 6, 1, 3, 5, 7}, awq_nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

/* The field of output channel o in a row of words along out. */
static inline void out_field_put(uint8_t *row, enum dialect dialect, uint32_t bits, uint32_t o, uint32_t field)
{
    const uint32_t per = 32 / bits, slot = dialect == DIALECT_AWQ ? awq_nibble[o % 8] : o % per;
    word_put(row, o / per, word_at(row, o / per) | field << (slot * bits));
}

static inline uint32_t out_field_at(const uint8_t *row, enum dialect dialect, uint32_t bits, uint32_t o)
{
    const uint32_t per = 32 / bits, slot = dialect == DIALECT_AWQ ? awq_nibble[o % 8] : o % per;
    return word_at(row, o / per) >> (slot * bits) & ((1u << bits) - 1);
}

static inline const char *real_name(enum real real)
{
    return real == REAL_F16 ? "F16" : real == REAL_BF16 ? "BF16" : "F32";
}

static inline void real_put(uint8_t *data, enum real real, size_t index, float value)
{
    const uint32_t bits = real_bits(real, value);
    for (uint32_t b = 0; b < real_size(real); b++)
        data[index * real_size(real) + b] = (uint8_t)(bits >> (8 * b));
}

static inline float real_at(const uint8_t *data, enum real real, size_t index)
{
    uint32_t bits = 0;
    for (uint32_t b = 0; b < real_size(real); b++)
        bits |= (uint32_t)data[index * real_size(real) + b] << (8 * b);
    return real_value(real, bits);
}

static inline void write_zeros(const struct checkpoint *c, const struct layer *layer, uint8_t *data)
{
    const uint32_t words = layer->out * layer->bits / 32, mask = (1u << layer->bits) - 1;
    const bool v1 = c->dialect == DIALECT_GPTQ, words_add = v1 && (c->v1 == V1_META || c->v1 == V1_WORD_ADD);
    for (uint32_t g = 0; g < layer->groups; g++) {
        uint8_t *row = data + (size_t)g * words * 4;
        for (uint32_t o = 0; o < layer->out; o++) {
            const uint32_t zero = (uint32_t)layer->zero[(size_t)o * layer->groups + g];
            out_field_put(row, c->dialect, layer->bits, o, v1 && !words_add ? (zero - 1) & mask : zero);
        }
        for (uint32_t w = 0; words_add && w < words; w++)
            word_put(row, w, word_at(row, w) - (layer->bits == 4 ? 0x11111111u : 0x01010101u));
    }
}

static inline void write_codes(const struct checkpoint *c, const struct layer *layer, uint8_t *data)
{
    const uint32_t per = 32 / layer->bits;
    for (uint32_t k = 0; k < layer->in; k++) {
        for (uint32_t o = 0; o < layer->out; o++) {
            const uint32_t code = layer->code[(size_t)o * layer->in + k];
            if (c->dialect == DIALECT_AWQ) {
                out_field_put(data + (size_t)k * layer->out / 2, c->dialect, 4, o, code);
                continue;
            }
            const size_t word = (size_t)(k / per) * layer->out + o;
            word_put(data, word, word_at(data, word) | code << (k % per * layer->bits));
        }
    }
}

static inline void write_hf_layer(const struct checkpoint *c, const struct layer *layer, struct shard *shard)
{
    char name[96], shape[64];
    const uint32_t per = 32 / layer->bits;
    const bool awq = c->dialect == DIALECT_AWQ;
    (void)snprintf(name, sizeof name, "%s.qweight", layer->name);
    (void)snprintf(shape, sizeof shape, "%u,%u", awq ? layer->in : layer->in / per, awq ? layer->out / per : layer->out);
    write_codes(c, layer, shard_add(shard, name, "I32", shape, (size_t)layer->in * layer->out * layer->bits / 8));
    (void)snprintf(name, sizeof name, "%s.qzeros", layer->name);
    (void)snprintf(shape, sizeof shape, "%u,%u", layer->groups, layer->out / per);
    write_zeros(c, layer, shard_add(shard, name, "I32", shape, (size_t)layer->groups * layer->out * layer->bits / 8));
    (void)snprintf(name, sizeof name, "%s.scales", layer->name);
    (void)snprintf(shape, sizeof shape, "%u,%u", layer->groups, layer->out);
    uint8_t *scales = shard_add(shard, name, real_name(c->real), shape, (size_t)layer->groups * layer->out * real_size(c->real));
    for (uint32_t g = 0; g < layer->groups; g++)
        for (uint32_t o = 0; o < layer->out; o++)
            real_put(scales, c->real, (size_t)g * layer->out + o, layer->scale[(size_t)o * layer->groups + g]);
    if (layer->group_of == NULL)
        return;
    (void)snprintf(name, sizeof name, "%s.g_idx", layer->name);
    (void)snprintf(shape, sizeof shape, "%u", layer->in);
    uint8_t *order = shard_add(shard, name, "I32", shape, (size_t)layer->in * 4);
    for (uint32_t k = 0; k < layer->in; k++)
        word_put(order, k, (uint32_t)layer->group_of[k]);
}

static inline void write_ms_codes(const struct layer *layer, bool along_out, bool along_in, uint8_t *data)
{
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

static inline void write_ms_layer(const struct checkpoint *c, const struct layer *layer, struct shard *shard)
{
    char name[96], shape[64];
    const bool half = c->packed && layer->bits == 4, along_out = half && layer->shape == SHAPE_GROUPS, along_in = half && !along_out;
    const uint32_t rows = along_out ? layer->out / 2 : layer->out, columns = along_in ? layer->in / 2 : layer->in;
    (void)snprintf(name, sizeof name, "%s.weight", layer->name);
    (void)snprintf(shape, sizeof shape, "%u,%u", rows, columns);
    write_ms_codes(layer, along_out, along_in, shard_add(shard, name, "I8", shape, (size_t)rows * columns));
    const uint32_t pairs = layer->shape == SHAPE_ONE ? 1 : layer->out * layer->groups;
    if (layer->shape == SHAPE_GROUPS)
        (void)snprintf(shape, sizeof shape, "%u,%u", layer->out, layer->groups);
    else if (layer->shape == SHAPE_FLAT || layer->shape == SHAPE_CHANNEL)
        (void)snprintf(shape, sizeof shape, "%u,1", pairs);
    else
        (void)snprintf(shape, sizeof shape, "%u", pairs);
    for (int part = 0; part < 2; part++) {
        (void)snprintf(name, sizeof name, "%s.%s", layer->name, part == 0 ? "weight_scale" : "weight_offset");
        uint8_t *data = shard_add(shard, name, real_name(c->real), shape, (size_t)pairs * real_size(c->real));
        for (uint32_t i = 0; i < pairs; i++)
            real_put(data, c->real, i, part == 0 ? layer->scale[i] : layer->offset[i]);
    }
}

static inline void write_documents(const struct checkpoint *c, const char *dir)
{
    char text[8192];
    size_t used = (size_t)snprintf(text, sizeof text, "{\n  \"architectures\": [\"LlamaForCausalLM\"],\n  \"model_type\": \"llama\",\n  \"rms_norm_eps\": 1e-06");
    if (c->dialect == DIALECT_AWQ)
        used += (size_t)snprintf(text + used, sizeof text - used, ",\n  \"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": %d,"
                                 " \"zero_point\": true, \"version\": \"gemm\"}", c->group);
    else if (c->dialect != DIALECT_MS)
        used += (size_t)snprintf(text + used, sizeof text - used, ",\n  \"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": %u, \"group_size\": %d,"
                                 " \"sym\": %s, \"checkpoint_format\": \"%s\"%s}", c->bits, c->group, c->sym ? "true" : "false", dialect_names[c->dialect],
                                 c->v1 == V1_META ? ", \"meta\": {\"quantizer\": [\"gptqmodel:4.0.0\"]}" : "");
    used += (size_t)snprintf(text + used, sizeof text - used, "\n}\n");
    spill(dir, "config.json", text, used);
    if (c->dialect != DIALECT_MS)
        return;
    used = (size_t)snprintf(text, sizeof text, "{\"model_quant_type\": \"W%uA16\",%s", c->bits, c->packed ? " \"version\": \"1.0.0\"," : "");
    if (c->group > 0)
        used += (size_t)snprintf(text + used, sizeof text - used, " \"group_size\": %d,", c->group);
    for (size_t l = 0; l < LAYERS; l++)
        for (int part = 0; part < 3; part++)
            used += (size_t)snprintf(text + used, sizeof text - used, " \"%s.weight%s\": \"W%uA16\",", c->layer[l].name,
                                     part == 0 ? "" : part == 1 ? "_scale" : "_offset", c->layer[l].bits);
    used += (size_t)snprintf(text + used, sizeof text - used, " \"model.norm.weight\": \"FLOAT\", \"model.embed_tokens.weight\": \"FLOAT\"}");
    spill(dir, "quant_model_description.json", text, used);
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

/* Makes dir, which must not exist. */
static inline void checkpoint_write(const struct checkpoint *c, const char *dir)
{
    const char *stem = c->dialect == DIALECT_MS ? "quant_model_weights" : "model";
    char name[96], index[4096];
    NEED(mkdir(dir, 0777) == 0);
    write_documents(c, dir);
    size_t used = (size_t)snprintf(index, sizeof index, "{\"metadata\": {}, \"weight_map\": {\"model.norm.weight\": \"%s-00001-of-00002.safetensors\""
                                   ", \"model.embed_tokens.weight\": \"%s-00001-of-00002.safetensors\"", stem, stem);
    struct shard shard = {0};
    write_floats(&shard);
    for (uint32_t l = 0; l < LAYERS; l++) {
        const struct layer *layer = &c->layer[l];
        static const char *const hf[] = {"qweight", "qzeros", "scales", "g_idx"}, *const ms[] = {"weight", "weight_scale", "weight_offset"};
        const unsigned parts = c->dialect == DIALECT_MS ? 3 : layer->group_of == NULL ? 3 : 4;
        if (c->dialect == DIALECT_MS)
            write_ms_layer(c, layer, &shard);
        else
            write_hf_layer(c, layer, &shard);
        for (unsigned p = 0; p < parts; p++)
            used += (size_t)snprintf(index + used, sizeof index - used, ", \"%s.%s\": \"%s-0000%d-of-00002.safetensors\"", layer->name,
                                     c->dialect == DIALECT_MS ? ms[p] : hf[p], stem, l == 0 ? 1 : 2);
        if (l != 0 || !c->shards)
            continue;
        (void)snprintf(name, sizeof name, "%s-00001-of-00002.safetensors", stem);
        shard_write(&shard, dir, name);
        shard = (struct shard){0};
    }
    (void)snprintf(name, sizeof name, c->shards ? "%s-00002-of-00002.safetensors" : "%s.safetensors", stem);
    shard_write(&shard, dir, name);
    used += (size_t)snprintf(index + used, sizeof index - used, "}}");
    (void)snprintf(name, sizeof name, "%s.safetensors.index.json", stem);
    if (c->shards)
        spill(dir, name, index, used);
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/* The weight files of a directory in memory. */
struct stored_files {
    uint8_t *data[2];
    size_t size[2];
};

static inline uint8_t *slurp(const char *dir, const char *name, size_t *size)
{
    char path[1200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    NEED(fseek(file, 0, SEEK_END) == 0);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size + 1);
    NEED(data != NULL && fread(data, 1, *size, file) == *size && fclose(file) == 0);
    data[*size] = 0;
    return data;
}

static inline void stored_open(struct stored_files *files, const char *dir, const char *stem)
{
    char name[96];
    *files = (struct stored_files){0};
    (void)snprintf(name, sizeof name, "%s.safetensors", stem);
    files->data[0] = slurp(dir, name, &files->size[0]);
    if (files->data[0] != NULL)
        return;
    for (int f = 0; f < 2; f++) {
        (void)snprintf(name, sizeof name, "%s-0000%d-of-00002.safetensors", stem, f + 1);
        files->data[f] = slurp(dir, name, &files->size[f]);
        NEED(files->data[f] != NULL);
    }
}

static inline void stored_close(struct stored_files *files)
{
    free(files->data[0]);
    free(files->data[1]);
}

struct stored_tensor {
    const uint8_t *data; /* NULL: there is none */
    size_t bytes;
    uint64_t shape[2];
    unsigned rank;
    char dtype[8];
};

/* Finds NAME in a header as repaq and this file write them: compact JSON whose members are dtype, shape and data_offsets. */
static inline struct stored_tensor stored_find(const struct stored_files *files, const char *module, const char *suffix)
{
    struct stored_tensor tensor = {0};
    char key[160];
    (void)snprintf(key, sizeof key, "\"%s%s\":{", module, suffix);
    for (size_t f = 0; f < 2 && tensor.data == NULL; f++) {
        if (files->data[f] == NULL)
            continue;
        const size_t header = (size_t)word_at(files->data[f], 0);
        const char *text = (const char *)files->data[f] + 8, *at = memmem(text, header, key, strlen(key));
        unsigned long long from, to;
        if (at == NULL)
            continue;
        const char *shape = strstr(at, "\"shape\":["), *offsets = strstr(at, "\"data_offsets\":["), *dtype = strstr(at, "\"dtype\":\"");
        NEED(shape != NULL && offsets != NULL && dtype != NULL);
        NEED(sscanf(dtype, "\"dtype\":\"%7[^\"]", tensor.dtype) == 1);
        NEED(sscanf(offsets, "\"data_offsets\":[%llu,%llu]", &from, &to) == 2);
        unsigned long long a = 0, b = 0;
        const int read = sscanf(shape, "\"shape\":[%llu,%llu]", &a, &b);
        tensor.rank = read < 0 ? 0 : (unsigned)read;
        tensor.shape[0] = a;
        tensor.shape[1] = b;
        NEED(8 + header + to <= files->size[f] && from <= to);
        tensor.data = files->data[f] + 8 + header + from;
        tensor.bytes = (size_t)(to - from);
    }
    return tensor;
}

static inline enum real stored_real(const struct stored_tensor *tensor)
{
    NEED(strcmp(tensor->dtype, "F16") == 0 || strcmp(tensor->dtype, "BF16") == 0 || strcmp(tensor->dtype, "F32") == 0);
    return tensor->dtype[0] == 'B' ? REAL_BF16 : tensor->dtype[1] == '1' ? REAL_F16 : REAL_F32;
}

#endif
