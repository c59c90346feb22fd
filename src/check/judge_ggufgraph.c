/* E23: what llama.cpp asks of a model file: keys, and tensors of the architecture. Read from ggml-org/llama.cpp:src/llama-model.cpp (load_hparams), src/models/
 * (load_arch_hparams, load_arch_tensors) and src/llama-arch.cpp (names of architectures). */
#include "base/limits.h"
#include "check/rules.h"
#include "check/spread.h"
#include "container/ggufile_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LAYERS_MAX 512
#define EXPERTS_MAX 512
#define ARCH_BYTES_MAX 40

static const char *const architectures[] = {
#define X(name) name,
#include "check/ggufarch.def"
#undef X
};

/* Families whose tensors are known here, and those that a row is about. */
enum { LLAMA = 1, QWEN2 = 2, QWEN2MOE = 4, QWEN3 = 8, QWEN3MOE = 16, GEMMA = 32, GEMMA2 = 64, GEMMA3 = 128, PHI3 = 256 };
static const struct {
    const char *name;
    unsigned bit;
} families[] = {{"llama", LLAMA},   {"qwen2", QWEN2},   {"qwen2moe", QWEN2MOE}, {"qwen3", QWEN3}, {"qwen3moe", QWEN3MOE},
                {"gemma", GEMMA},   {"gemma2", GEMMA2}, {"gemma3", GEMMA3},     {"phi3", PHI3}};
#define ANY_FAMILY 511u
#define SPARSE (QWEN2MOE | QWEN3MOE) /* experts always; llama's where expert_count says so */
#define GATED (ANY_FAMILY & ~(unsigned)(SPARSE | PHI3))
#define HEAD_NORMS (QWEN3 | QWEN3MOE | GEMMA3)

enum dim { NONE, EMBED, VOCAB, QUERY, KEY, VALUE, FUSED, HEAD, WIDE, TWICE, EXPERTS, EXPERT_WIDE, SHARED_WIDE, DIM_COUNT };

/* A tensor: dims innermost first. `dense`, `sparse`: only in layers without, or with, experts. */
static const struct row {
    const char *name; /* '#' is the layer's number; ".weight" follows */
    unsigned of, required, biased; /* families that have it, need it, may have its bias */
    bool dense, sparse;
    enum dim dim[3];
} rows[] = {
    {"token_embd", ANY_FAMILY, ANY_FAMILY, 0, false, false, {EMBED, VOCAB}},
    {"output_norm", ANY_FAMILY, ANY_FAMILY, 0, false, false, {EMBED}},
    {"output", ANY_FAMILY & ~(unsigned)(GEMMA | GEMMA2), QWEN2MOE, QWEN2, false, false, {EMBED, VOCAB}},
    {"blk.#.attn_norm", ANY_FAMILY, ANY_FAMILY, 0, false, false, {EMBED}},
    {"blk.#.attn_q", ANY_FAMILY, ANY_FAMILY, ANY_FAMILY, false, false, {EMBED, QUERY}},
    {"blk.#.attn_k", ANY_FAMILY, ANY_FAMILY, ANY_FAMILY, false, false, {EMBED, KEY}},
    {"blk.#.attn_v", ANY_FAMILY, ANY_FAMILY, ANY_FAMILY, false, false, {EMBED, VALUE}},
    {"blk.#.attn_qkv", ANY_FAMILY, 0, ANY_FAMILY, false, false, {EMBED, FUSED}},
    {"blk.#.attn_output", ANY_FAMILY, ANY_FAMILY, LLAMA, false, false, {QUERY, EMBED}},
    {"blk.#.attn_q_norm", HEAD_NORMS, HEAD_NORMS, 0, false, false, {HEAD}},
    {"blk.#.attn_k_norm", HEAD_NORMS, HEAD_NORMS, 0, false, false, {HEAD}},
    {"blk.#.post_attention_norm", GEMMA2 | GEMMA3, GEMMA2 | GEMMA3, 0, false, false, {EMBED}},
    {"blk.#.post_ffw_norm", GEMMA2 | GEMMA3, GEMMA2 | GEMMA3, 0, false, false, {EMBED}},
    {"blk.#.ffn_norm", ANY_FAMILY, ANY_FAMILY, 0, false, false, {EMBED}},
    {"blk.#.ffn_gate", GATED, GATED, LLAMA, true, false, {EMBED, WIDE}},
    {"blk.#.ffn_up", GATED, GATED, LLAMA, true, false, {EMBED, WIDE}},
    {"blk.#.ffn_up", PHI3, PHI3, 0, true, false, {EMBED, TWICE}},
    {"blk.#.ffn_down", GATED | PHI3, GATED | PHI3, LLAMA, true, false, {WIDE, EMBED}},
    {"blk.#.ffn_gate_inp", LLAMA | SPARSE, LLAMA | SPARSE, 0, false, true, {EMBED, EXPERTS}},
    {"blk.#.ffn_gate_exps", LLAMA | SPARSE, SPARSE, 0, false, true, {EMBED, EXPERT_WIDE, EXPERTS}},
    {"blk.#.ffn_up_exps", LLAMA | SPARSE, LLAMA | SPARSE, 0, false, true, {EMBED, EXPERT_WIDE, EXPERTS}},
    {"blk.#.ffn_down_exps", LLAMA | SPARSE, LLAMA | SPARSE, 0, false, true, {EXPERT_WIDE, EMBED, EXPERTS}},
    {"blk.#.ffn_gate_inp_shexp", QWEN2MOE, QWEN2MOE, 0, false, true, {EMBED}},
    {"blk.#.ffn_gate_shexp", QWEN2MOE, QWEN2MOE, 0, false, true, {EMBED, SHARED_WIDE}},
    {"blk.#.ffn_up_shexp", QWEN2MOE, QWEN2MOE, 0, false, true, {EMBED, SHARED_WIDE}},
    {"blk.#.ffn_down_shexp", QWEN2MOE, QWEN2MOE, 0, false, true, {SHARED_WIDE, EMBED}},
};

/* Loaded beside these, whatever the family. */
static const char *const more[] = {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"};

/* --- keys ------------------------------------------------------------------------------------------------------------------- */

static bool take_architecture(const struct subject *subject, char arch[ARCH_BYTES_MAX])
{
    const struct ggufile_value *value = ggufset_value(&subject->gguf, "general.architecture");
    arch[0] = '\0';
    if (value == NULL || value->kind != GGUFILE_STRING || value->bytes >= ARCH_BYTES_MAX)
        return false;
    memcpy(arch, value->data, value->bytes);
    arch[value->bytes] = '\0';
    return true;
}

static unsigned family_of(const char *arch)
{
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        if (strcmp(families[f].name, arch) == 0)
            return families[f].bit;
    return 0;
}

/* False for a file that is none, or that another rule has called something else. */
static bool is_model(const struct subject *subject, char arch[ARCH_BYTES_MAX])
{
    const struct ggufile_value *type = ggufset_value(&subject->gguf, "general.type");
    const bool other = type != NULL && type->kind == GGUFILE_STRING && !slice_is((struct slice){(const char *)type->data, type->bytes}, "model");
    return subject->gguf.file[0].present && !other && take_architecture(subject, arch) && strcmp(arch, "clip") != 0;
}

static enum status report(struct subject *subject, const char *where, const char *found, const char *expected, struct err *err)
{
    return subject_report(subject, (struct remark){SEVERITY_FAIL, where, found, expected, NULL, 0}, err);
}

static const struct ggufile_value *find(const struct subject *subject, const char *arch, const char *suffix)
{
    char key[ARCH_BYTES_MAX + 80];
    (void)snprintf(key, sizeof key, "%s.%s", arch, suffix);
    return ggufset_value(&subject->gguf, key);
}

/* A number of type u32, as llama.cpp wants it; 0 where there is none, or one for each layer. */
static uint32_t number(const struct subject *subject, const char *arch, const char *suffix)
{
    char key[ARCH_BYTES_MAX + 80];
    uint32_t value = 0;
    bool present = false;
    const struct ggufile_value *found = find(subject, arch, suffix);
    (void)snprintf(key, sizeof key, "%s.%s", arch, suffix);
    if (found == NULL || found->kind != GGUFILE_U32 || ggufile_value_u32(&subject->gguf.file[0].gguf, key, &value, &present, NULL) != STATUS_OK)
        return 0;
    return value;
}

/* Keys that a model of any architecture has, or one of the families. */
static enum status judge_required(struct subject *subject, const char *arch, struct err *err)
{
    static const struct {
        const char *suffix;
        enum ggufile_kind kind;
        bool family, each; /* of the families only; may be an array with one for each layer */
    } keys[] = {{"context_length", GGUFILE_U32, false, false},
                {"embedding_length", GGUFILE_U32, false, false},
                {"block_count", GGUFILE_U32, false, false},
                {"feed_forward_length", GGUFILE_U32, true, true},
                {"attention.head_count", GGUFILE_U32, true, true},
                {"attention.layer_norm_rms_epsilon", GGUFILE_F32, true, false}};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        const struct ggufile_value *value = find(subject, arch, keys[k].suffix);
        const bool sparse = (family_of(arch) & SPARSE) != 0 && strcmp(keys[k].suffix, "feed_forward_length") == 0;
        if ((keys[k].family && family_of(arch) == 0) || (value == NULL && sparse))
            continue;
        const bool fits = value != NULL && (value->kind == keys[k].kind || (keys[k].each && value->kind == GGUFILE_ARRAY));
        if (!fits)
            TRY(report(subject, subject_text(subject, err, "%s.%s", arch, keys[k].suffix),
                       value == NULL ? "no such key" : subject_text(subject, err, "a value of type %s", ggufile_kind_name(value->kind)),
                       subject_text(subject, err, "one of type %s: the engine has no default", ggufile_kind_name(keys[k].kind)), err));
    }
    return STATUS_OK;
}

static enum status judge_numbers(struct subject *subject, const char *arch, struct err *err)
{
    const uint32_t layers = number(subject, arch, "block_count"), experts = number(subject, arch, "expert_count");
    const uint32_t used = number(subject, arch, "expert_used_count");
    const struct ggufile_value *of_layers = find(subject, arch, "expert_used_count");
    if (layers > LAYERS_MAX)
        TRY(report(subject, subject_text(subject, err, "%s.block_count", arch), subject_text(subject, err, "%" PRIu32 " layers", layers), "at most 512", err));
    if (experts > EXPERTS_MAX)
        TRY(report(subject, subject_text(subject, err, "%s.expert_count", arch), subject_text(subject, err, "%" PRIu32 " experts", experts), "at most 512",
                   err));
    if ((of_layers != NULL && of_layers->kind == GGUFILE_ARRAY) || (experts == 0 && used == 0) || (used > 0 && used <= experts))
        return STATUS_OK;
    return report(subject, subject_text(subject, err, "%s.expert_used_count", arch), subject_text(subject, err, "%" PRIu32 " of %" PRIu32 " experts", used,
                  experts), "1 to all of them", err);
}

enum status judge_ggufgraph_model(struct subject *subject, struct err *err)
{
    char arch[ARCH_BYTES_MAX];
    const struct ggufile_value *type = ggufset_value(&subject->gguf, "general.type");
    if (!subject->gguf.file[0].present || subject->gguf.file[0].gguf.value == NULL)
        return STATUS_OK;
    if (type != NULL && type->kind == GGUFILE_STRING && !slice_is((struct slice){(const char *)type->data, type->bytes}, "model"))
        return report(subject, "general.type", subject_text(subject, err, "\"%.*s\"", type->bytes < 40 ? (int)type->bytes : 40, (const char *)type->data),
                      "model: this file is something else", err);
    if (!take_architecture(subject, arch))
        return report(subject, "general.architecture", "no such key, or no name", "the name of the model's architecture", err);
    if (strcmp(arch, "clip") != 0)
        return STATUS_OK;
    return report(subject, "general.architecture", "\"clip\": a vision or audio tower", "a language model: --mmproj takes this file", err);
}

enum status judge_ggufgraph_keys(struct subject *subject, struct err *err)
{
    char arch[ARCH_BYTES_MAX];
    bool known = false;
    if (!is_model(subject, arch))
        return STATUS_OK;
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        known = known || strcmp(architectures[i], arch) == 0;
    if (!known)
        return subject_report(subject, (struct remark){subject->engine == ENGINE_LLAMA_CPP ? SEVERITY_FAIL : SEVERITY_WARN, "general.architecture",
                              subject_text(subject, err, "\"%s\"", arch), "an architecture that llama.cpp has", NULL, 0}, err);
    TRY(judge_required(subject, arch, err));
    return judge_numbers(subject, arch, err);
}

/* --- tensors ---------------------------------------------------------------------------------------------------------------- */

/* The file's hyper-parameters as sizes; 0 where it does not say, or says it for each layer. */
static void read_sizes(const struct subject *subject, const char *arch, uint64_t size[DIM_COUNT])
{
    const uint64_t heads = number(subject, arch, "attention.head_count"), embed = number(subject, arch, "embedding_length");
    const struct ggufile_value *groups = find(subject, arch, "attention.head_count_kv"), *tokens = ggufset_value(&subject->gguf, "tokenizer.ggml.tokens");
    const uint64_t kv = groups == NULL ? heads : number(subject, arch, "attention.head_count_kv");
    const uint64_t even = heads > 0 && embed % heads == 0 ? embed / heads : 0;
    const uint64_t key = find(subject, arch, "attention.key_length") == NULL ? even : number(subject, arch, "attention.key_length");
    const uint64_t value = find(subject, arch, "attention.value_length") == NULL ? even : number(subject, arch, "attention.value_length");
    size[EMBED] = embed;
    size[VOCAB] = tokens != NULL && tokens->kind == GGUFILE_ARRAY ? tokens->count : 0;
    size[QUERY] = heads * key;
    size[KEY] = kv * key;
    size[VALUE] = kv * value;
    size[FUSED] = size[QUERY] == 0 || size[KEY] == 0 || size[VALUE] == 0 ? 0 : size[QUERY] + size[KEY] + size[VALUE];
    size[HEAD] = key;
    size[WIDE] = number(subject, arch, "feed_forward_length");
    size[TWICE] = 2 * size[WIDE];
    size[EXPERTS] = number(subject, arch, "expert_count");
    size[EXPERT_WIDE] = number(subject, arch, "expert_feed_forward_length");
    size[SHARED_WIDE] = number(subject, arch, "expert_shared_feed_forward_length");
    if (family_of(arch) == LLAMA)
        size[EXPERT_WIDE] = size[WIDE];
}

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

struct graph {
    unsigned family;
    bool sparse;
    uint32_t layers;
    uint64_t size[DIM_COUNT];
    struct spread absent;
};

static bool applies(const struct graph *graph, const struct row *row)
{
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

static enum status judge_tensor(struct subject *subject, struct graph *graph, const struct row *row, uint32_t layer, struct err *err)
{
    char name[100], shape[100] = "";
    bool fits = true;
    size_t used = 0;
    const struct ggufile_tensor *tensor = ggufset_tensor(&subject->gguf, name_of(row, layer, ".weight", name, sizeof name));
    if (tensor == NULL) {
        if ((row->required & graph->family) != 0 && !is_fused(subject, row, layer))
            spread_add(&graph->absent, subject_text(subject, err, "%s", name));
        return STATUS_OK;
    }
    for (unsigned d = 0; d < GGUFILE_DIMS_MAX; d++) {
        const enum dim dim = d < 3 ? row->dim[d] : NONE;
        const uint64_t wanted = dim == NONE ? 1 : graph->size[dim];
        fits = fits && (wanted == 0 || tensor->dims[d] == wanted);
        if (d < 3 && dim != NONE && used < sizeof shape)
            used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%" PRIu64, used == 0 ? "" : ", ", wanted == 0 ? tensor->dims[d] : wanted);
    }
    if (fits)
        return STATUS_OK;
    return report(subject, tensor->name, subject_text(subject, err, "shape %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64, tensor->dims[0], tensor->dims[1],
                  tensor->dims[2], tensor->dims[3]), subject_text(subject, err, "%s by the file's own keys", shape), err);
}

/* True if a row has the name, of a layer that there is. */
static bool is_known(const struct graph *graph, const char *name)
{
    char wanted[100];
    unsigned layer = 0;
    if (sscanf(name, "blk.%5u.", &layer) == 1 && layer >= graph->layers)
        return false;
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        if (strcmp(more[i], name) == 0)
            return true;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        if (!applies(graph, &rows[r]))
            continue;
        if (strcmp(name, name_of(&rows[r], layer, ".weight", wanted, sizeof wanted)) == 0 ||
            ((rows[r].biased & graph->family) != 0 && strcmp(name, name_of(&rows[r], layer, ".bias", wanted, sizeof wanted)) == 0))
            return true;
    }
    return slice_ends(slice_of(name), ".scale") || slice_ends(slice_of(name), ".input_scale"); /* of NVFP4 */
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

enum status judge_ggufgraph_tensors(struct subject *subject, struct err *err)
{
    char arch[ARCH_BYTES_MAX];
    struct graph graph = {0};
    if (!subject->gguf.is_whole || !is_model(subject, arch) || family_of(arch) == 0)
        return STATUS_OK;
    graph.family = family_of(arch);
    graph.layers = number(subject, arch, "block_count");
    graph.layers = graph.layers > LAYERS_MAX ? LAYERS_MAX : graph.layers;
    read_sizes(subject, arch, graph.size);
    graph.sparse = (graph.family & SPARSE) != 0 || (graph.family == LLAMA && graph.size[EXPERTS] > 0);
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (uint32_t layer = 0; applies(&graph, &rows[r]) && layer < (strchr(rows[r].name, '#') == NULL ? 1 : graph.layers); layer++)
            TRY(judge_tensor(subject, &graph, &rows[r], layer, err));
    if (graph.absent.count > 0)
        TRY(report(subject, spread_text(&graph.absent, subject, err), "no such tensor", subject_text(subject, err, "one: the architecture is %s", arch), err));
    return judge_extra(subject, &graph, err);
}
