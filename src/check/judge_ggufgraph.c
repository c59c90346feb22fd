/* E23: tensors that llama.cpp asks of a model file. Read from ggml-org/llama.cpp:src/models/ (load_arch_tensors) and src/llama-model.cpp
 * (create_tensor_qkv, load_tensors). */
#include "check/ggufkeys.h"
#include "check/rules.h"
#include "check/spread.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    LLAMA = GGUFKEYS_LLAMA, QWEN2 = GGUFKEYS_QWEN2, QWEN2MOE = GGUFKEYS_QWEN2MOE, QWEN3 = GGUFKEYS_QWEN3, QWEN3MOE = GGUFKEYS_QWEN3MOE,
    GEMMA = GGUFKEYS_GEMMA, GEMMA2 = GGUFKEYS_GEMMA2, GEMMA3 = GGUFKEYS_GEMMA3, PHI3 = GGUFKEYS_PHI3, GPTOSS = GGUFKEYS_GPTOSS,
    SPARSE = GGUFKEYS_SPARSE, ANY_FAMILY = GGUFKEYS_FAMILIES, GATED = ANY_FAMILY & ~(SPARSE | PHI3), HEAD_NORMS = QWEN3 | QWEN3MOE | GEMMA3,
    FFN_NORM = ANY_FAMILY & ~GPTOSS, POST_NORM = GEMMA2 | GEMMA3 | GPTOSS,
};

enum dim { NONE, EMBED, VOCAB, HEADS, QUERY, KEY, VALUE, FUSED, HEAD, WIDE, TWICE, EXPERTS, EXPERT_WIDE, SHARED_WIDE, TURNS, FREE, DIM_COUNT };

/* A tensor: dims innermost first, FREE is any. `dense`, `sparse`: only in layers without, or with, experts. */
static const struct row {
    const char *name; /* '#' is the layer's number; ".weight" follows */
    unsigned of, required, biased; /* families that have it, need it, may have its bias */
    bool dense, sparse;
    enum dim dim[3];
} rows[] = {
    {"token_embd", ANY_FAMILY, ANY_FAMILY, 0, false, false, {EMBED, VOCAB}},
    {"output_norm", ANY_FAMILY, ANY_FAMILY, 0, false, false, {EMBED}},
    {"output", ANY_FAMILY & ~(GEMMA | GEMMA2), QWEN2MOE | GPTOSS, QWEN2, false, false, {EMBED, VOCAB}},
    {"blk.#.attn_norm", ANY_FAMILY, ANY_FAMILY, 0, false, false, {EMBED}},
    {"blk.#.attn_q", ANY_FAMILY, ANY_FAMILY, ANY_FAMILY, false, false, {EMBED, QUERY}},
    {"blk.#.attn_k", ANY_FAMILY, ANY_FAMILY, ANY_FAMILY, false, false, {EMBED, KEY}},
    {"blk.#.attn_v", ANY_FAMILY, ANY_FAMILY, ANY_FAMILY, false, false, {EMBED, VALUE}},
    {"blk.#.attn_qkv", ANY_FAMILY, 0, ANY_FAMILY, false, false, {EMBED, FUSED}},
    {"blk.#.attn_output", ANY_FAMILY, ANY_FAMILY, LLAMA | GPTOSS, false, false, {QUERY, EMBED}},
    {"blk.#.attn_sinks", GPTOSS, GPTOSS, 0, false, false, {HEADS}},
    {"blk.#.attn_q_norm", HEAD_NORMS, HEAD_NORMS, 0, false, false, {HEAD}},
    {"blk.#.attn_k_norm", HEAD_NORMS, HEAD_NORMS, 0, false, false, {HEAD}},
    {"blk.#.post_attention_norm", POST_NORM, POST_NORM, 0, false, false, {EMBED}},
    {"blk.#.post_ffw_norm", GEMMA2 | GEMMA3, GEMMA2 | GEMMA3, 0, false, false, {EMBED}},
    {"blk.#.ffn_norm", FFN_NORM, FFN_NORM, 0, false, false, {EMBED}},
    {"blk.#.ffn_gate", GATED, GATED, LLAMA, true, false, {EMBED, WIDE}},
    {"blk.#.ffn_up", GATED, GATED, LLAMA, true, false, {EMBED, WIDE}},
    {"blk.#.ffn_up", PHI3, PHI3, 0, true, false, {EMBED, TWICE}},
    {"blk.#.ffn_down", GATED | PHI3, GATED | PHI3, LLAMA, true, false, {WIDE, EMBED}},
    {"blk.#.ffn_gate_inp", LLAMA | SPARSE, LLAMA | SPARSE, GPTOSS, false, true, {EMBED, EXPERTS}},
    {"blk.#.ffn_gate_exps", LLAMA | SPARSE, SPARSE, GPTOSS, false, true, {EMBED, EXPERT_WIDE, EXPERTS}},
    {"blk.#.ffn_up_exps", LLAMA | SPARSE, LLAMA | SPARSE, GPTOSS, false, true, {EMBED, EXPERT_WIDE, EXPERTS}},
    {"blk.#.ffn_down_exps", LLAMA | SPARSE, LLAMA | SPARSE, GPTOSS, false, true, {EXPERT_WIDE, EMBED, EXPERTS}},
    {"blk.#.ffn_gate_inp_shexp", QWEN2MOE, QWEN2MOE, 0, false, true, {EMBED}},
    {"blk.#.ffn_gate_shexp", QWEN2MOE, QWEN2MOE, 0, false, true, {EMBED, SHARED_WIDE}},
    {"blk.#.ffn_up_shexp", QWEN2MOE, QWEN2MOE, 0, false, true, {EMBED, SHARED_WIDE}},
    {"blk.#.ffn_down_shexp", QWEN2MOE, QWEN2MOE, 0, false, true, {SHARED_WIDE, EMBED}},
    {"rope_freqs", LLAMA, 0, 0, false, false, {TURNS}},
    {"rope_factors_long", LLAMA | PHI3, 0, 0, false, false, {TURNS}},
    {"rope_factors_short", LLAMA | PHI3, 0, 0, false, false, {TURNS}},
    {"cls.output", QWEN3, 0, 0, false, false, {EMBED, FREE}},
    {"dense_2", GEMMA3, 0, 0, false, false, {EMBED, FREE}},
    {"dense_3", GEMMA3, 0, 0, false, false, {FREE, EMBED}},
};

struct graph {
    unsigned family;
    bool sparse, longrope;
    uint32_t layers;
    uint64_t size[DIM_COUNT]; /* GGUFKEYS_UNKNOWN where the file does not say, or says it for each layer */
    struct spread absent, halves;
};

static enum status report(struct subject *subject, const char *where, const char *found, const char *expected, struct err *err)
{
    return subject_report(subject, (struct remark){SEVERITY_FAIL, where, found, expected, NULL, 0}, err);
}

/* --- sizes ------------------------------------------------------------------------------------------------------------------ */

static uint64_t times(uint64_t a, uint64_t b)
{
    return a == GGUFKEYS_UNKNOWN || b == GGUFKEYS_UNKNOWN ? GGUFKEYS_UNKNOWN : a * b; /* of 32 bits each */
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a == GGUFKEYS_UNKNOWN || b == GGUFKEYS_UNKNOWN || a > UINT64_MAX - b ? GGUFKEYS_UNKNOWN : a + b;
}

static void read_heads(const struct ggufset *set, const char *arch, struct graph *graph)
{
    const uint64_t heads = ggufkeys_number(set, arch, "attention.head_count", GGUFKEYS_UNKNOWN);
    const uint64_t kv = ggufkeys_number(set, arch, "attention.head_count_kv", heads);
    const uint64_t embed = graph->size[EMBED];
    const uint64_t even = heads == GGUFKEYS_UNKNOWN || heads == 0 || embed == GGUFKEYS_UNKNOWN ? GGUFKEYS_UNKNOWN : embed / heads;
    const uint64_t key = ggufkeys_number(set, arch, "attention.key_length", even), value = ggufkeys_number(set, arch, "attention.value_length", even);
    const uint64_t turned = ggufkeys_number(set, arch, "rope.dimension_count", key);
    const bool square = (graph->family & (QWEN2 | QWEN2MOE)) != 0, alike = (graph->family & (LLAMA | GEMMA | GEMMA2 | GEMMA3)) == 0;
    graph->size[HEADS] = heads;
    graph->size[HEAD] = key;
    graph->size[QUERY] = square ? embed : times(heads, key);
    graph->size[KEY] = times(kv, alike ? value : key);
    graph->size[VALUE] = times(kv, value);
    graph->size[FUSED] = plus(graph->size[QUERY], plus(graph->size[KEY], graph->size[VALUE]));
    graph->size[TURNS] = turned == GGUFKEYS_UNKNOWN ? turned : turned / 2;
}

static void read_sizes(const struct ggufset *set, const char *arch, struct graph *graph)
{
    uint64_t *size = graph->size;
    const struct ggufile_value *tokens = ggufset_value(set, "tokenizer.ggml.tokens");
    size[FREE] = GGUFKEYS_UNKNOWN;
    size[EMBED] = ggufkeys_number(set, arch, "embedding_length", GGUFKEYS_UNKNOWN);
    size[VOCAB] = tokens != NULL && tokens->kind == GGUFILE_ARRAY ? tokens->count : ggufkeys_number(set, arch, "vocab_size", GGUFKEYS_UNKNOWN);
    size[WIDE] = ggufkeys_number(set, arch, "feed_forward_length", GGUFKEYS_UNKNOWN);
    size[TWICE] = times(2, size[WIDE]);
    size[EXPERTS] = ggufkeys_number(set, arch, "expert_count", 0);
    const uint64_t used = ggufkeys_number(set, arch, "expert_used_count", 0), wide = size[WIDE];
    const uint64_t part = used == 0 || used == GGUFKEYS_UNKNOWN || wide == GGUFKEYS_UNKNOWN ? GGUFKEYS_UNKNOWN : wide / used;
    size[EXPERT_WIDE] = graph->family == LLAMA ? wide : ggufkeys_number(set, arch, "expert_feed_forward_length", part);
    size[SHARED_WIDE] = ggufkeys_number(set, arch, "expert_shared_feed_forward_length", wide);
    read_heads(set, arch, graph);
}

/* --- tensors ---------------------------------------------------------------------------------------------------------------- */

/* The layer's tensor of a row's name, or its bias. */
static const char *name_of(const struct row *row, uint32_t layer, const char *suffix, char *buffer, size_t bytes)
{
    const char *mark = strchr(row->name, '#');
    if (mark == NULL)
        (void)snprintf(buffer, bytes, "%s%s", row->name, suffix);
    else
        (void)snprintf(buffer, bytes, "%.*s%" PRIu32 "%s%s", (int)(mark - row->name), row->name, layer, mark + 1, suffix);
    return buffer;
}

static bool applies(const struct graph *graph, const struct row *row)
{
    if (row->dim[0] == TURNS && graph->family == LLAMA && (strcmp(row->name, "rope_freqs") == 0) == graph->longrope)
        return false;
    return (row->of & graph->family) != 0 && !(row->dense && graph->sparse) && !(row->sparse && !graph->sparse);
}

/* q, k and v may be one. */
static bool is_fused(const struct subject *subject, const struct row *row, uint32_t layer)
{
    char name[100];
    if (row->dim[1] != QUERY && row->dim[1] != KEY && row->dim[1] != VALUE)
        return false;
    (void)snprintf(name, sizeof name, "blk.%" PRIu32 ".attn_qkv.weight", layer);
    return ggufset_tensor(&subject->gguf, name) != NULL;
}

static enum status judge_shape(struct subject *subject, const struct graph *graph, const struct ggufile_tensor *tensor, const enum dim dim[3], struct err *err)
{
    char shape[100] = "";
    bool fits = true;
    size_t used = 0;
    for (unsigned d = 0; d < GGUFILE_DIMS_MAX; d++) {
        const enum dim own = d < 3 ? dim[d] : NONE;
        const uint64_t wanted = own == NONE ? 1 : graph->size[own];
        fits = fits && (wanted == GGUFKEYS_UNKNOWN || tensor->dims[d] == wanted);
        if (own != NONE && used < sizeof shape)
            used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%" PRIu64, used == 0 ? "" : ", ",
                                     wanted == GGUFKEYS_UNKNOWN ? tensor->dims[d] : wanted);
    }
    if (fits)
        return STATUS_OK;
    const char *found = subject_text(subject, err, "shape %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64, tensor->dims[0], tensor->dims[1],
                                     tensor->dims[2], tensor->dims[3]);
    return report(subject, tensor->name, found, subject_text(subject, err, "%s by the file's own keys", shape), err);
}

/* gpt-oss adds every bias but those of q, k and v, which it may lack. */
static bool needs_bias(const struct graph *graph, const struct row *row)
{
    return (row->biased & graph->family & GPTOSS) != 0 && row->dim[1] != QUERY && row->dim[1] != KEY && row->dim[1] != VALUE && row->dim[1] != FUSED;
}

static bool is_vector(const struct row *row)
{
    return row->dim[1] == NONE && strstr(row->name, "gate_inp") == NULL; /* a norm or a factor: added, or multiplied by */
}

static enum status judge_tensor(struct subject *subject, struct graph *graph, const struct row *row, uint32_t layer, struct err *err)
{
    char name[100];
    const struct ggufile_tensor *tensor = ggufset_tensor(&subject->gguf, name_of(row, layer, ".weight", name, sizeof name));
    if (tensor == NULL) {
        if ((row->required & graph->family) != 0 && !is_fused(subject, row, layer))
            spread_add(&graph->absent, subject_text(subject, err, "%s", name));
        return STATUS_OK;
    }
    if (is_vector(row) && tensor->type != GGML_F32)
        spread_add(&graph->halves, tensor->name);
    TRY(judge_shape(subject, graph, tensor, row->dim, err));
    const struct ggufile_tensor *bias = ggufset_tensor(&subject->gguf, name_of(row, layer, ".bias", name, sizeof name));
    if (bias == NULL && needs_bias(graph, row))
        spread_add(&graph->absent, subject_text(subject, err, "%s", name));
    if (bias == NULL || (row->biased & graph->family) == 0)
        return STATUS_OK;
    if (bias->type != GGML_F32)
        spread_add(&graph->halves, bias->name);
    return judge_shape(subject, graph, bias, (const enum dim[3]){row->dim[1], row->dim[2]}, err);
}

/* "blk.3.attn_q.scale": of NVFP4, beside a weight. */
static bool is_scale(const char *name)
{
    const struct slice text = slice_of(name);
    return slice_starts(text, "blk.") && (slice_ends(text, ".scale") || slice_ends(text, ".input_scale"));
}

/* True if a row has the name, of a layer that there is. */
static bool is_known(const struct graph *graph, const char *name)
{
    char wanted[100];
    unsigned layer = 0;
    if (sscanf(name, "blk.%5u.", &layer) == 1 && layer >= graph->layers)
        return false;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        if (!applies(graph, &rows[r]))
            continue;
        if (strcmp(name, name_of(&rows[r], layer, ".weight", wanted, sizeof wanted)) == 0 ||
            ((rows[r].biased & graph->family) != 0 && strcmp(name, name_of(&rows[r], layer, ".bias", wanted, sizeof wanted)) == 0))
            return true;
    }
    return is_scale(name);
}

static enum status judge_extra(struct subject *subject, const struct graph *graph, struct err *err)
{
    struct spread extra = {0};
    for (size_t f = 0; f < subject->gguf.count; f++)
        for (size_t t = 0; t < subject->gguf.file[f].gguf.tensor_count; t++)
            if (!is_known(graph, subject->gguf.file[f].gguf.tensor[t].name))
                spread_add(&extra, subject->gguf.file[f].gguf.tensor[t].name);
    if (extra.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){subject->engine == ENGINE_LLAMA_CPP ? SEVERITY_FAIL : SEVERITY_WARN, spread_text(&extra, subject, err),
                          "a tensor that the architecture does not have", "only those that it loads: it counts them", NULL, 0}, err);
}

static enum status judge_graph(struct subject *subject, struct graph *graph, const char *arch, struct err *err)
{
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (uint32_t layer = 0; applies(graph, &rows[r]) && layer < (strchr(rows[r].name, '#') == NULL ? 1 : graph->layers); layer++)
            TRY(judge_tensor(subject, graph, &rows[r], layer, err));
    if (graph->absent.count > 0)
        TRY(report(subject, spread_text(&graph->absent, subject, err), "no such tensor", subject_text(subject, err, "one: the architecture is %s", arch), err));
    if (graph->halves.count > 0)
        TRY(report(subject, spread_text(&graph->halves, subject, err), "a norm, bias or factor that is not F32",
                   "F32: CPU kernels add and multiply by nothing else", err));
    return judge_extra(subject, graph, err);
}

/* Of other architectures: every layer has tensors, but those that predict further tokens. */
static enum status judge_layers(struct subject *subject, const char *arch, uint32_t layers, struct err *err)
{
    bool has[GGUFKEYS_LAYERS_MAX] = {false}, any = false;
    char name[32];
    const uint64_t further = ggufkeys_number(&subject->gguf, arch, "nextn_predict_layers", 0);
    for (size_t f = 0; f < subject->gguf.count; f++)
        for (size_t t = 0; t < subject->gguf.file[f].gguf.tensor_count; t++) {
            unsigned layer;
            if (sscanf(subject->gguf.file[f].gguf.tensor[t].name, "blk.%5u.", &layer) != 1 || layer >= GGUFKEYS_LAYERS_MAX)
                continue;
            any = has[layer] = true;
        }
    for (uint32_t layer = 0; any && further < layers && layer < layers - further; layer++) {
        (void)snprintf(name, sizeof name, "blk.%" PRIu32, layer);
        if (!has[layer])
            TRY(report(subject, subject_text(subject, err, "%s", name), "no tensor of this layer", "block_count layers", err));
    }
    return STATUS_OK;
}

enum status judge_ggufgraph_tensors(struct subject *subject, struct err *err)
{
    char arch[GGUFKEYS_ARCH_BYTES_MAX], scaling[16];
    if (!subject->gguf.is_whole || !ggufkeys_model(&subject->gguf, arch))
        return STATUS_OK;
    struct graph graph = {.family = ggufkeys_family(arch)};
    const uint64_t layers = ggufkeys_number(&subject->gguf, arch, "block_count", GGUFKEYS_UNKNOWN);
    if (layers == GGUFKEYS_UNKNOWN || layers == 0 || layers > GGUFKEYS_LAYERS_MAX) /* the rule on keys says it */
        return STATUS_OK;
    if (graph.family == 0)
        return judge_layers(subject, arch, (uint32_t)layers, err);
    graph.layers = (uint32_t)layers;
    read_sizes(&subject->gguf, arch, &graph);
    graph.sparse = (graph.family & SPARSE) != 0 || (graph.family == LLAMA && graph.size[EXPERTS] != 0);
    graph.longrope = ggufkeys_text(&subject->gguf, "llama.rope.scaling.type", scaling, sizeof scaling) && strcmp(scaling, "longrope") == 0;
    return judge_graph(subject, &graph, arch, err);
}
