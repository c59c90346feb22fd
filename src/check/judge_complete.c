/* E1: what architecture and config ask for. No loader of quantized models notices that a tensor is absent, so this is where it shows. */
#include "base/limits.h"
#include "check/complete.h"
#include "check/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum status judge_complete_names(struct subject *subject, struct err *err)
{
    const enum severity severity = (subject->row->traits & TRAIT_STRICT) != 0 ? SEVERITY_FAIL : SEVERITY_SILENT;
    struct complete complete = {0};
    if (subject->headers.damaged || subject->source.only != NULL) /* what is listed is not all there is */
        return STATUS_OK;
    enum status status = complete_find(&complete, &subject->headers.model, subject->config, err);
    for (size_t i = 0; i < complete.count && status == STATUS_OK; i++)
        status = subject_report(subject,
                                (struct remark){severity, subject_text(subject, err, "%s", complete.absence[i].module), "no tensor of this module",
                                                subject_text(subject, err, "%s", complete.absence[i].why),
                                                "fetch the checkpoint again: a shard may be missing", 0},
                                err);
    if (status == STATUS_OK && complete.spare_head)
        status = subject_report(subject,
                                (struct remark){SEVERITY_WARN, "lm_head", "a head beside tie_word_embeddings: true: engines take either", "one of the two",
                                                "remove it if it equals the embedding", 0},
                                err);
    complete_free(&complete);
    return status;
}

/* --- parts of a weight ------------------------------------------------------------------------------------------------------ */

#define PACKED (1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2)
#define ONE(encoding) (1u << ENCODING_##encoding)

/* A tensor with the suffix, of the dtype if there is one, needs its sibling (or the other one), in the encodings of the mask. */
static const struct {
    uint32_t encodings;
    enum dtype dtype;
    const char *suffix, *sibling, *other;
} parts[] = {
    {PACKED, DTYPE_NONE, ".qweight", ".qzeros", NULL},
    {PACKED, DTYPE_NONE, ".qweight", ".scales", NULL},
    {PACKED, DTYPE_NONE, ".qzeros", ".qweight", NULL},
    {PACKED, DTYPE_NONE, ".scales", ".qweight", NULL},
    {ONE(CT), DTYPE_NONE, ".weight_packed", ".weight_scale", NULL},
    {ONE(CT), DTYPE_I32, ".weight_packed", ".weight_shape", NULL}, /* of U8 there is none: nvfp4, mxfp4 */
    {ONE(CT), DTYPE_NONE, ".weight_zero_point", ".weight_scale", NULL},
    {ONE(CT), DTYPE_F8_E4M3, ".weight", ".weight_scale", NULL},
    {ONE(CT), DTYPE_I8, ".weight", ".weight_scale", NULL},
    {ONE(CT), DTYPE_NONE, ".weight_scale", ".weight", ".weight_packed"},
    {ONE(MLX), DTYPE_NONE, ".scales", ".weight", NULL},
    {ONE(MLX), DTYPE_NONE, ".biases", ".scales", NULL},
    {ONE(MLX), DTYPE_U32, ".weight", ".scales", NULL},
    {ONE(MS), DTYPE_NONE, ".weight_scale", ".weight", NULL},
    {ONE(MS), DTYPE_NONE, ".weight_offset", ".weight_scale", NULL},
    {ONE(FP8), DTYPE_F8_E4M3, ".weight", ".weight_scale_inv", ".weight_scale"},
    {ONE(FP8), DTYPE_F8_E5M2, ".weight", ".weight_scale_inv", ".weight_scale"},
    {ONE(FP8), DTYPE_NONE, ".weight_scale_inv", ".weight", NULL},
    {ONE(FP8), DTYPE_NONE, ".weight_scale", ".weight", NULL},
    {ONE(FP8), DTYPE_NONE, ".input_scale", ".weight", NULL},
    {ONE(MXFP4), DTYPE_U8, "_blocks", "_scales", NULL},
    {ONE(MXFP4), DTYPE_U8, "_scales", "_blocks", NULL},
    {ONE(BNB), DTYPE_U8, ".weight", ".weight.absmax", NULL},
    {ONE(BNB), DTYPE_U8, ".weight", ".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4"},
    {ONE(BNB), DTYPE_I8, ".weight", ".SCB", NULL},
    {ONE(BNB), DTYPE_NONE, ".SCB", ".weight", NULL},
    {ONE(BNB), DTYPE_NONE, ".weight.absmax", ".weight", NULL},
    {ONE(BNB), DTYPE_NONE, ".weight.absmax", ".weight.quant_map", NULL},
    {ONE(BNB), DTYPE_U8, ".weight.absmax", ".weight.nested_absmax", NULL}, /* coded scales */
    {ONE(BNB), DTYPE_NONE, ".weight.nested_absmax", ".weight.nested_quant_map", NULL},
};

static bool has_sibling(const struct model *model, struct slice stem, const char *suffix, char *name, size_t size)
{
    (void)snprintf(name, size, "%.*s%s", (int)stem.size, stem.data, suffix);
    return model_find(model, slice_of(name)) != MODEL_NONE;
}

enum status judge_complete_parts(struct subject *subject, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 64], other[LIMIT_NAME_BYTES_MAX + 64];
    const struct model *model = &subject->headers.model;
    const enum severity severity = (subject->row->traits & TRAIT_STRICT) != 0 ? SEVERITY_FAIL : SEVERITY_SILENT;
    for (size_t t = 0; t < model->tensor_count && !subject->headers.damaged; t++) {
        const struct slice own = slice_of(model->tensor[t].name);
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
            if ((parts[p].encodings >> subject->encoding & 1) == 0 || !slice_ends(own, parts[p].suffix) || slice_ends(own, "act.scales") ||
                (parts[p].dtype != DTYPE_NONE && parts[p].dtype != model->tensor[t].dtype))
                continue;
            const struct slice stem = {own.data, own.size - strlen(parts[p].suffix)};
            if (!has_sibling(model, stem, parts[p].sibling, name, sizeof name) &&
                (parts[p].other == NULL || !has_sibling(model, stem, parts[p].other, other, sizeof other)))
                TRY(subject_report(subject, (struct remark){severity, subject_text(subject, err, "%s", name), "no such tensor (R-INCOMPLETE)",
                                   subject_text(subject, err, "one beside %s", own.data), "fetch the checkpoint again: a shard may be missing", 0}, err));
        }
    }
    return STATUS_OK;
}

/* --- shapes ----------------------------------------------------------------------------------------------------------------- */

/* ALL: of all experts, one below the other. */
enum dim { DIM_HIDDEN, DIM_FFN, DIM_EXPERT_FFN, DIM_HEADS, DIM_KV, DIM_VOCAB, DIM_ALL_FFN, DIM_ALL_HIDDEN, DIM_COUNT };

/* Of an expert: its last part, under ".experts.". */
static const struct {
    const char *leaf;
    enum dim out, in;
    bool expert;
} shapes[] = {
    {".self_attn.q_proj", DIM_HEADS, DIM_HIDDEN, false},
    {".self_attn.k_proj", DIM_KV, DIM_HIDDEN, false},
    {".self_attn.v_proj", DIM_KV, DIM_HIDDEN, false},
    {".self_attn.o_proj", DIM_HIDDEN, DIM_HEADS, false},
    {".mlp.gate_proj", DIM_FFN, DIM_HIDDEN, false},
    {".mlp.up_proj", DIM_FFN, DIM_HIDDEN, false},
    {".mlp.down_proj", DIM_HIDDEN, DIM_FFN, false},
    {"lm_head", DIM_VOCAB, DIM_HIDDEN, false},
    {".gate_proj", DIM_EXPERT_FFN, DIM_HIDDEN, true},
    {".up_proj", DIM_EXPERT_FFN, DIM_HIDDEN, true},
    {".down_proj", DIM_HIDDEN, DIM_EXPERT_FFN, true},
    {".w1", DIM_FFN, DIM_HIDDEN, true},
    {".w2", DIM_HIDDEN, DIM_FFN, true},
    {".w3", DIM_FFN, DIM_HIDDEN, true},
    {".mlp.experts.gate_up_proj", DIM_ALL_FFN, DIM_HIDDEN, false},
    {".mlp.experts.down_proj", DIM_ALL_HIDDEN, DIM_FFN, false},
};

/* The config's dimensions; 0 where it does not say. */
static void read_dims(const struct jsondoc *config, uint64_t dim[DIM_COUNT])
{
    const int64_t hidden = subject_int(config, "hidden_size", 0), heads = subject_int(config, "num_attention_heads", 0);
    const int64_t kv = subject_int(config, "num_key_value_heads", heads);
    const int64_t size = subject_int(config, "head_dim", heads > 0 && hidden % heads == 0 ? hidden / heads : 0);
    const int64_t experts = subject_int(config, "num_local_experts", 0), wide = subject_int(config, "intermediate_size", 0);
    const int64_t part = subject_int(config, "moe_intermediate_size", 0), vocab = subject_int(config, "vocab_size", 0);
    const int64_t value[DIM_COUNT] = {hidden, wide, part, heads, kv, vocab, experts, experts};
    for (int d = 0; d < DIM_COUNT; d++)
        dim[d] = value[d] > 0 && value[d] < INT32_MAX ? (uint64_t)value[d] : 0;
    dim[DIM_ALL_FFN] *= 2 * dim[DIM_FFN];
    dim[DIM_ALL_HIDDEN] *= dim[DIM_HIDDEN];
    dim[DIM_HEADS] *= size > 0 && size < INT32_MAX ? (uint64_t)size : 0;
    dim[DIM_KV] *= size > 0 && size < INT32_MAX ? (uint64_t)size : 0;
}

/* One of those that have numbers. */
static bool is_expert(const char *name)
{
    const char *mark = strstr(name, ".experts.");
    return mark != NULL && mark[sizeof ".experts." - 1] >= '0' && mark[sizeof ".experts." - 1] <= '9';
}

enum status judge_complete_shapes(struct subject *subject, struct err *err)
{
    uint64_t dim[DIM_COUNT];
    const bool known = complete_has_head(subject->config);
    read_dims(subject->text_config, dim);
    for (size_t m = 0; known && m < subject->module_count; m++) {
        const struct module *module = &subject->module[m];
        const struct weight *weight = module->weight != MODEL_NONE ? &subject->model.weight[module->weight] : NULL;
        const uint64_t *dense = weight == NULL ? subject->model.tensor[module->tensor].shape : NULL;
        const uint64_t out = weight != NULL ? weight->out : dense[0], in = weight != NULL ? weight->in : dense[1];
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            const uint64_t rows = dim[shapes[s].out], columns = dim[shapes[s].in];
            if (!slice_ends(slice_of(module->name), shapes[s].leaf) || shapes[s].expert != is_expert(module->name))
                continue;
            if (rows == 0 || columns == 0 || (rows == out && columns == in))
                continue;
            if (shapes[s].out == DIM_VOCAB && columns == in && out > rows) /* padded for tensor parallelism */
                continue;
            TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, module->name, subject_text(subject, err, "shape [%" PRIu64 ", %" PRIu64 "]", out, in),
                               subject_text(subject, err, "[%" PRIu64 ", %" PRIu64 "] by config.json", rows, columns),
                               "use the config.json that belongs to these weights", 0}, err));
        }
    }
    return STATUS_OK;
}
