/* Random checkpoints for tests, written by plain loops of their own: nothing here uses the library's packers, rounding or readers.
 *
 * checkpoint_random fills a model from a seed, checkpoint_write (checkpoint_write.h) makes a directory of its dialect, stored_open and the stored_*
 * readers (stored.h) look into a directory of any dialect, checkpoint_free ends it. A failed check aborts the program: these are tests. */
#ifndef REPAQ_TESTS_CHECKPOINT_H
#define REPAQ_TESTS_CHECKPOINT_H

#include "numbers.h"

enum dialect { DIALECT_MS, DIALECT_AWQ, DIALECT_GPTQ, DIALECT_GPTQ_V2, DIALECT_CT, DIALECT_MLX, DIALECT_HF, DIALECT_COUNT };
static const char *const dialect_names[DIALECT_COUNT] = {"msmodelslim", "awq", "gptq", "gptq_v2", "compressed-tensors", "mlx", "hf"};

/* How GPTQ v1 zeros are stored, and how it shows: by nothing (field-mod is assumed), by the config's meta, or by an option. */
enum v1 { V1_SILENT, V1_META, V1_FIELD_MOD, V1_WORD_ADD, V1_NO_MASK };

/* The shape that msModelSlim and compressed-tensors scales take. */
enum shape { SHAPE_GROUPS, SHAPE_FLAT, SHAPE_CHANNEL, SHAPE_VECTOR, SHAPE_ONE };

/* What int8 activations a layer has. */
enum act { ACT_NONE, ACT_DYNAMIC, ACT_STATIC };

/* How compressed-tensors keeps zeros: not at all, in packed fields, in bytes. */
enum points { POINTS_FIELDS, POINTS_NONE, POINTS_BYTES };

struct layer {
    char name[64];
    uint32_t out, in, bits, group, groups; /* group == in: per channel */
    uint8_t *code;                         /* [out][in] */
    int32_t *zero;                         /* [out][groups]; where `whole` */
    float *scale;                          /* [out][groups], exact in the checkpoint's dtype */
    float *offset;                         /* [out][groups]; msModelSlim: as stored. MLX: the stored bias */
    int32_t *group_of;                     /* [in] as stored; NULL: none */
    enum shape shape;
    enum act act;
    enum points points;
    bool as_bytes;                 /* compressed-tensors: int-quantized */
    bool spare;                    /* compressed-tensors before 0.18: fields never cross words */
    bool no_scale;                 /* msModelSlim W8A8 that leaves the scales out */
    bool wide_deq;                 /* msModelSlim: deq_scale in an I64 */
    float input_scale, input_zero; /* static activations */
    float deq_scale[300];          /* [out] where no_scale */
};

#define LAYERS 3

struct checkpoint {
    enum dialect dialect;
    enum real real;   /* of scales */
    enum real stated; /* config.json's torch_dtype; F16 may be left out */
    enum v1 v1;
    bool packed;   /* msModelSlim 1.0.0 */
    bool sym;      /* what the config claims */
    bool shards;   /* two files and an index */
    bool tame;     /* shapes, widths and groups that most formats hold */
    int32_t group; /* of the config; -1 */
    uint32_t bits; /* of the config */
    struct layer layer[LAYERS];
};

/* --- packed fields ---------------------------------------------------------------------------------------------------------- */

/* Words of 32 bits that hold fields, lowest bits first: word w of the stream is word first + w * step of the data. Fields cross words unless `spare`. */
struct stream {
    uint32_t bits;
    size_t first, step;
    bool spare;
};

static inline size_t stream_words(uint32_t bits, bool spare, uint32_t count)
{
    return spare ? (count + 32 / bits - 1) / (32 / bits) : ((size_t)count * bits + 31) / 32;
}

static inline uint32_t stream_bit(const struct stream *stream, uint32_t field, uint32_t bit)
{
    const uint32_t per = 32 / stream->bits;
    return stream->spare ? field / per * 32 + field % per * stream->bits + bit : field * stream->bits + bit;
}

static inline void stream_put(uint8_t *data, struct stream stream, uint32_t field, uint32_t value)
{
    for (uint32_t b = 0; b < stream.bits; b++) {
        const uint32_t at = stream_bit(&stream, field, b);
        const size_t word = stream.first + at / 32 * stream.step;
        word_put(data, word, word_at(data, word) | (value >> b & 1) << at % 32);
    }
}

static inline uint32_t stream_at(const uint8_t *data, struct stream stream, uint32_t field)
{
    uint32_t value = 0;
    for (uint32_t b = 0; b < stream.bits; b++) {
        const uint32_t at = stream_bit(&stream, field, b);
        value |= (word_at(data, stream.first + at / 32 * stream.step) >> at % 32 & 1) << b;
    }
    return value;
}

/* The nibble of an AWQ word that holds output channel 8c + i. */
static const uint8_t awq_nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

/* The field of output channel o in a row of words along out. */
static inline uint32_t out_field(enum dialect dialect, uint32_t o)
{
    return dialect == DIALECT_AWQ ? o / 8 * 8 + awq_nibble[o % 8] : o;
}

/* Where the codes of row o or column k are: `field` receives the code's number in its stream. */
static inline struct stream code_stream(enum dialect dialect, uint32_t bits, bool spare, const uint32_t shape[2], const uint32_t at[2], uint32_t *field)
{
    const uint32_t out = shape[0], in = shape[1], o = at[0], k = at[1];
    *field = dialect == DIALECT_AWQ ? out_field(dialect, o) : k;
    if (dialect == DIALECT_AWQ)
        return (struct stream){bits, (size_t)k * stream_words(bits, false, out), 1, false};
    if (dialect == DIALECT_GPTQ || dialect == DIALECT_GPTQ_V2)
        return (struct stream){bits, o, out, false};
    return (struct stream){bits, o * stream_words(bits, spare, in), 1, spare};
}

/* Where the zeros of group g are, of `groups`; the field is out_field. */
static inline struct stream zero_stream(enum dialect dialect, uint32_t bits, bool spare, const uint32_t shape[2], uint32_t g)
{
    if (dialect == DIALECT_CT)
        return (struct stream){bits, g, shape[1], spare};
    return (struct stream){bits, g * stream_words(bits, false, shape[0]), 1, false};
}

/* --- what a layer is -------------------------------------------------------------------------------------------------------- */

static inline int32_t layer_mid(const struct layer *layer)
{
    return 1 << (layer->bits - 1);
}

/* Scales that follow from deq_scale are F32. */
static inline enum real layer_real(const struct checkpoint *c, const struct layer *layer)
{
    return layer->no_scale ? REAL_F32 : c->real;
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

/* Every group has as many columns as groups in order have. */
static inline bool layer_even(const struct layer *layer)
{
    uint32_t count[64] = {0};
    NEED(layer->groups <= 64);
    for (uint32_t k = 0; k < layer->in; k++) {
        count[layer_group_of(layer, k)]++;
        count[k / layer->group]--;
    }
    for (uint32_t g = 0; g < layer->groups; g++)
        if (count[g] != 0)
            return false;
    return true;
}

/* True if the group's zero is an integer. msModelSlim's dead groups (scale 0) have the middle, whatever the offset; MLX's only where the bias is 0. */
static inline bool layer_whole(const struct checkpoint *c, const struct layer *layer, size_t pair)
{
    const float scale = layer->scale[pair], stored = layer->offset[pair];
    if (c->dialect == DIALECT_MS)
        return scale == 0.0f || (isfinite(stored) && stored == floorf(stored));
    if (c->dialect != DIALECT_MLX)
        return true;
    if (scale == 0.0f)
        return stored == 0.0f;
    const double zero = rint(-(double)stored / (double)scale);
    return fabs(zero) < 0x1p24 && zero * (double)scale == -(double)stored;
}

static inline bool layer_dead(const struct layer *layer, size_t pair)
{
    return layer->scale[pair] == 0.0f;
}

/* The F32 that the formats' definitions give for a weight: (code - zero) * scale, or scale * code + bias. */
static inline float layer_value(const struct checkpoint *c, const struct layer *layer, uint32_t o, uint32_t k)
{
    const size_t pair = (size_t)o * layer->groups + layer_group_of(layer, k);
    const float code = (float)layer->code[(size_t)o * layer->in + k], scale = layer->scale[pair];
    if (c->dialect == DIALECT_MLX)
        return scale * code + layer->offset[pair];
    if (scale == 0.0f)
        return 0.0f;
    const float zero = c->dialect == DIALECT_MS ? layer->offset[pair] + (float)layer_mid(layer) : (float)layer->zero[pair];
    return (code - zero) * scale;
}

/* --- random models ----------------------------------------------------------------------------------------------------------- */

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

/* A bias of MLX: mostly that of an integer zero where the dtype holds it, and now and then of none. */
static inline float random_bias(struct rng *rng, const struct checkpoint *c, const struct layer *layer, size_t pair, bool real)
{
    const float exact = real_round(c->real, 0.0f - (float)layer->zero[pair] * layer->scale[pair]);
    if (layer_dead(layer, pair))
        return real ? real_round(c->real, 0.375f) : 0.0f;
    return real && rng_one_in(rng, 4) ? real_round(c->real, exact * 1.25f + layer->scale[pair] / 3.0f) : exact;
}

static inline void random_values(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    const bool weight_only = layer->act == ACT_NONE, v1 = c->dialect == DIALECT_GPTQ, real = c->dialect == DIALECT_MLX && rng_one_in(rng, 3);
    const bool symmetric = rng_one_in(rng, 3) || (c->sym && !rng_one_in(rng, 8)) || (!weight_only && !rng_one_in(rng, 6)) ||
                           (c->tame && rng_one_in(rng, 2)) || (c->dialect == DIALECT_CT && layer->points == POINTS_NONE) || layer->no_scale;
    const bool dead = rng_one_in(rng, 3), with_zero = rng_one_in(rng, 3), powers = c->dialect == DIALECT_MLX && rng_one_in(rng, 2);
    const uint32_t top = 1u << layer->bits;
    for (size_t i = 0; i < (size_t)layer->out * layer->in; i++)
        layer->code[i] = (uint8_t)rng_below(rng, top);
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++) {
        const uint32_t least = (v1 && c->v1 == V1_NO_MASK) || !with_zero ? 1 : 0;
        layer->zero[i] = symmetric ? layer_mid(layer) : powers ? 1 << rng_below(rng, layer->bits) : (int32_t)(least + rng_below(rng, top - least));
        if (v1 && c->v1 == V1_NO_MASK && with_zero && !symmetric && rng_one_in(rng, 16))
            layer->zero[i] = (int32_t)top;
        layer->scale[i] = random_scale(rng, c->real, dead);
        layer->offset[i] = (float)(layer->zero[i] - layer_mid(layer));
        if (c->dialect == DIALECT_MLX)
            layer->offset[i] = random_bias(rng, c, layer, i, real);
    }
}

/* One thing that no target can hold, or a fault. */
static inline void random_fault(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    const size_t at = rng_below(rng, layer->out * layer->groups);
    const bool floats = c->dialect == DIALECT_MS || c->dialect == DIALECT_MLX;
    switch (!floats && rng_one_in(rng, 2) ? 5 : rng_below(rng, 6)) {
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
        layer->offset[at] = rng_one_in(rng, 3) ? real_round(c->real, 0x1p-20f) : rng_one_in(rng, 2) ? 0.5f : rng_one_in(rng, 2) ? INFINITY : NAN;
        break;
    case 4:
        layer->offset[at] = (float)layer_mid(layer) * (rng_one_in(rng, 2) ? 1.0f : -1.25f);
        layer->offset[at] = rng_one_in(rng, 4) ? (c->real == REAL_F32 ? -941.0f : -940.0f) : layer->offset[at];
        break;
    default:
        layer->scale[at] = 0.0f; /* dead: whatever the offset is */
        layer->offset[at] = rng_one_in(rng, 2) ? NAN : c->real == REAL_F32 ? -3001.0f : -3008.0f;
        break;
    }
    if (layer_dead(layer, at) && layer->points != POINTS_NONE) /* a zero that some targets have no field for */
        layer->zero[at] = c->dialect == DIALECT_GPTQ && c->v1 == V1_NO_MASK ? 2 * layer_mid(layer) : 0;
    if (layer->no_scale) /* it has no offsets either */
        layer->offset[at] = 0.0f;
}

static inline void random_order(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    const uint32_t kind = c->tame && !rng_one_in(rng, 8) ? 0 : rng_below(rng, 4);
    if (kind == 0 || (c->dialect == DIALECT_CT && kind == 1))
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
    if (c->dialect != DIALECT_CT && rng_one_in(rng, 4))
        layer->group_of[rng_below(rng, layer->in)] = -1;
}

/* --- shapes ------------------------------------------------------------------------------------------------------------------- */

static inline uint32_t up_to(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static inline void ms_shape(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    static const uint32_t groups[] = {8, 16, 32, 32, 64};
    layer->act = layer->bits == 8 && rng_one_in(rng, 2) ? (enum act)rng_below(rng, 3) : ACT_NONE;
    if (!c->tame && rng_one_in(rng, 12))
        layer->out = rng_one_in(rng, 2) ? 12 : 30;
    if (!c->tame && rng_one_in(rng, 16))
        layer->in = rng_one_in(rng, 2) ? 36 : 46;
    layer->group = c->group > 0 ? (uint32_t)c->group : groups[rng_below(rng, 5)];
    if (layer->in % layer->group != 0 || layer->in == layer->group || rng_one_in(rng, 4) || layer->act == ACT_STATIC)
        layer->group = layer->in;
    const bool flat = layer->bits == 8 || !c->packed;
    layer->shape = layer->group == layer->in    ? (enum shape)(SHAPE_CHANNEL + (int)rng_below(rng, 3))
                   : flat && rng_one_in(rng, 5) ? SHAPE_FLAT
                                                : SHAPE_GROUPS;
    layer->no_scale = layer->act == ACT_STATIC && rng_one_in(rng, 3);
    layer->wide_deq = rng_one_in(rng, 2);
    layer->shape = layer->no_scale ? SHAPE_CHANNEL : layer->shape;
}

static inline void ct_shape(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    if (!c->tame && rng_one_in(rng, 3))
        layer->out = 1 + rng_below(rng, 70);
    if (!c->tame && rng_one_in(rng, 3))
        layer->in = 1 + rng_below(rng, 150);
    layer->act = (layer->bits == 8 || layer->bits == 4) && rng_one_in(rng, c->tame ? 6 : 3) ? (enum act)(1 + rng_below(rng, 2)) : ACT_NONE;
    layer->as_bytes = (layer->bits == 8 || layer->bits == 4) && (layer->act != ACT_NONE || rng_one_in(rng, 4));
    layer->group = c->group < 0 || (uint32_t)c->group > layer->in || rng_one_in(rng, 6) ? layer->in : (uint32_t)c->group;
    layer->shape = layer->group < layer->in ? SHAPE_GROUPS : rng_one_in(rng, 3) ? SHAPE_ONE : rng_one_in(rng, 4) ? SHAPE_VECTOR : SHAPE_CHANNEL;
    layer->points = rng_one_in(rng, 2) ? POINTS_NONE : POINTS_FIELDS;
    if (layer->points != POINTS_NONE && (layer->as_bytes || layer->shape == SHAPE_ONE || rng_one_in(rng, 4)))
        layer->points = POINTS_BYTES;
}

static inline void random_shape(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    static const uint32_t outs[] = {8, 16, 24, 40, 40, 64, 72, 72, 136}, ins[] = {32, 64, 64, 96, 128, 160}, held[] = {32, 64, 128};
    layer->out = c->tame ? 32 + 32 * rng_below(rng, 2) : outs[rng_below(rng, 9)];
    layer->in = c->tame ? 64 + 64 * rng_below(rng, 2) : ins[rng_below(rng, 6)];
    if (c->dialect == DIALECT_MS) {
        ms_shape(rng, c, layer);
        return;
    }
    if (c->dialect == DIALECT_CT) {
        ct_shape(rng, c, layer);
        return;
    }
    if (c->dialect == DIALECT_MLX) {
        layer->out = !c->tame && rng_one_in(rng, 3) ? 1 + rng_below(rng, 70) : layer->out;
        layer->group = c->group > 0 ? (uint32_t)c->group : held[rng_below(rng, 3)];
        layer->in = up_to(layer->in, layer->group);
        return;
    }
    if (layer->bits < 4)
        layer->out = up_to(layer->out, layer->bits == 3 ? 32 : 16);
    layer->group = c->group < 0 || (uint32_t)c->group > layer->in ? layer->in : (uint32_t)c->group;
}

/* Values of SHAPE_ONE are one for the whole weight. */
static inline void make_one(struct layer *layer)
{
    for (size_t i = 1; i < (size_t)layer->out * layer->groups; i++) {
        layer->scale[i] = layer->scale[0];
        layer->offset[i] = layer->offset[0];
        layer->zero[i] = layer->zero[0];
    }
}

/* The zero of a group: what its offset or bias says, and the middle where the scale is 0. */
static inline void settle_zeros(const struct checkpoint *c, struct layer *layer)
{
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++) {
        const bool whole = layer_whole(c, layer, i) && !layer_dead(layer, i);
        if (c->dialect == DIALECT_MS)
            layer->zero[i] = layer_mid(layer) + (whole ? (int32_t)layer->offset[i] : 0);
        else
            layer->zero[i] = whole ? (int32_t)rint(-(double)layer->offset[i] / (double)layer->scale[i]) : layer_mid(layer);
    }
}

static inline void random_activations(struct rng *rng, const struct checkpoint *c, struct layer *layer)
{
    layer->input_scale = real_round(layer_real(c, layer), ldexpf((float)(1 + rng_below(rng, 1u << 20)), -22));
    layer->input_zero = rng_one_in(rng, 3) ? 0.0f : (float)rng_below(rng, 256) - 128.0f;
    if (c->dialect == DIALECT_MS && rng_one_in(rng, 12))
        layer->input_zero = rng_one_in(rng, 2) ? 0.5f : 300.0f;
    for (uint32_t o = 0; o < layer->out && layer->no_scale; o++) {
        layer->deq_scale[o] = layer->input_scale * layer->scale[o];
        layer->scale[o] = layer->deq_scale[o] / layer->input_scale;
    }
}

static inline uint32_t random_bits(struct rng *rng, enum dialect dialect)
{
    static const uint32_t gptq[] = {2, 3, 4, 4, 4, 8}, mlx[] = {2, 3, 4, 4, 5, 6, 8}, ct[] = {1, 2, 3, 4, 4, 5, 6, 7, 8, 8};
    switch (dialect) {
    case DIALECT_AWQ:
        return 4;
    case DIALECT_MS:
        return rng_one_in(rng, 3) ? 8 : 4;
    case DIALECT_CT:
        return ct[rng_below(rng, 10)];
    case DIALECT_MLX:
        return mlx[rng_below(rng, 7)];
    default:
        return gptq[rng_below(rng, 6)];
    }
}

static inline void checkpoint_random(struct checkpoint *c, enum dialect dialect, uint64_t seed)
{
    static const int32_t groups[] = {8, 16, 32, 32, 64, 128, -1}, held[] = {32, 64, 128, 0};
    struct rng rng = {seed * DIALECT_COUNT + (uint64_t)dialect};
    *c = (struct checkpoint){.dialect = dialect,
                             .real = (enum real)rng_below(&rng, 3),
                             .v1 = (enum v1)rng_below(&rng, 5),
                             .stated = (enum real)rng_below(&rng, 3),
                             .packed = rng_one_in(&rng, 2),
                             .shards = rng_one_in(&rng, 3)};
    if (dialect != DIALECT_MS && rng_one_in(&rng, 2))
        c->real = REAL_F16;
    c->group = dialect == DIALECT_MLX ? held[rng_below(&rng, 4)] : groups[rng_below(&rng, 7)];
    if (dialect == DIALECT_MS && (c->group < 0 || rng_one_in(&rng, 2)))
        c->group = 0; /* each layer its own */
    c->bits = random_bits(&rng, dialect);
    c->sym = (dialect == DIALECT_GPTQ || dialect == DIALECT_GPTQ_V2) && rng_one_in(&rng, 4);
    c->tame = rng_one_in(&rng, 2);
    if (c->tame && dialect != DIALECT_MS)
        c->group = rng_one_in(&rng, 2) ? 32 : 64;
    if (c->tame && !rng_one_in(&rng, 4))
        c->bits = 4;
    const bool mixed = !c->tame && dialect != DIALECT_AWQ && dialect != DIALECT_HF && rng_one_in(&rng, 4), spare = rng_one_in(&rng, 3);
    const uint32_t faulty = rng_one_in(&rng, 4) ? rng_below(&rng, LAYERS) : LAYERS;
    for (uint32_t l = 0; l < LAYERS; l++) {
        struct layer *layer = &c->layer[l];
        (void)snprintf(layer->name, sizeof layer->name, "model.layers.%u.mlp.up_proj", l);
        layer->bits = mixed && l == 1 ? random_bits(&rng, dialect) : c->bits;
        layer->spare = spare;
        random_shape(&rng, c, layer);
        layer_alloc(layer);
        random_values(&rng, c, layer);
        if (l == faulty)
            random_fault(&rng, c, layer);
        if (layer->shape == SHAPE_ONE)
            make_one(layer);
        if (dialect == DIALECT_MS || dialect == DIALECT_MLX)
            settle_zeros(c, layer);
        if (layer->act == ACT_STATIC)
            random_activations(&rng, c, layer);
        const bool ordered = dialect == DIALECT_CT && layer->shape == SHAPE_GROUPS && !layer->as_bytes;
        if (dialect == DIALECT_GPTQ || dialect == DIALECT_GPTQ_V2 || ordered)
            random_order(&rng, c, layer);
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

#endif
