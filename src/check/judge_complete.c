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

/* A tensor with the suffix needs its sibling, in the encodings of the mask. */
static const struct {
    uint32_t encodings;
    const char *suffix, *sibling;
} parts[] = {
    {1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2, ".qweight", ".qzeros"},
    {1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2, ".qweight", ".scales"},
    {1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2, ".qzeros", ".qweight"},
    {1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2, ".scales", ".qweight"},
    {1u << ENCODING_CT, ".weight_packed", ".weight_scale"},
    {1u << ENCODING_CT, ".weight_packed", ".weight_shape"},
    {1u << ENCODING_CT, ".weight_zero_point", ".weight_scale"},
    {1u << ENCODING_MLX, ".scales", ".weight"},
    {1u << ENCODING_MLX, ".biases", ".scales"},
    {1u << ENCODING_MS, ".weight_scale", ".weight"},
    {1u << ENCODING_MS, ".weight_offset", ".weight_scale"},
};

enum status judge_complete_parts(struct subject *subject, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 64];
    const struct model *model = &subject->headers.model;
    for (size_t t = 0; t < model->tensor_count && !subject->headers.damaged; t++) {
        const struct slice own = slice_of(model->tensor[t].name);
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
            if ((parts[p].encodings >> subject->encoding & 1) == 0 || !slice_ends(own, parts[p].suffix) || slice_ends(own, "act.scales"))
                continue;
            (void)snprintf(name, sizeof name, "%.*s%s", (int)(own.size - strlen(parts[p].suffix)), own.data, parts[p].sibling);
            const bool float4 = strcmp(parts[p].sibling, ".weight_shape") == 0 && model->tensor[t].dtype == DTYPE_U8; /* nvfp4, mxfp4 */
            if (model_find(model, slice_of(name)) == MODEL_NONE && !float4)
                TRY(subject_report(subject,
                                   (struct remark){SEVERITY_SILENT, subject_text(subject, err, "%s", name), "no such tensor",
                                                   subject_text(subject, err, "one beside %s", own.data),
                                                   "fetch the checkpoint again: a shard may be missing", 0},
                                   err));
        }
    }
    return STATUS_OK;
}

/* --- shapes ----------------------------------------------------------------------------------------------------------------- */

enum dim { DIM_HIDDEN, DIM_FFN, DIM_HEADS, DIM_KV, DIM_VOCAB, DIM_COUNT };

static const struct {
    const char *leaf;
    enum dim out, in;
} shapes[] = {
    {".self_attn.q_proj", DIM_HEADS, DIM_HIDDEN}, {".self_attn.k_proj", DIM_KV, DIM_HIDDEN}, {".self_attn.v_proj", DIM_KV, DIM_HIDDEN},
    {".self_attn.o_proj", DIM_HIDDEN, DIM_HEADS}, {".mlp.gate_proj", DIM_FFN, DIM_HIDDEN},   {".mlp.up_proj", DIM_FFN, DIM_HIDDEN},
    {".mlp.down_proj", DIM_HIDDEN, DIM_FFN},      {"lm_head", DIM_VOCAB, DIM_HIDDEN},
};

/* The config's dimensions; 0 where it does not say. */
static void read_dims(const struct jsondoc *config, uint64_t dim[DIM_COUNT])
{
    const int64_t hidden = subject_int(config, "hidden_size", 0), heads = subject_int(config, "num_attention_heads", 0);
    const int64_t kv = subject_int(config, "num_key_value_heads", heads);
    const int64_t size = subject_int(config, "head_dim", heads > 0 && hidden % heads == 0 ? hidden / heads : 0);
    const int64_t value[DIM_COUNT] = {hidden, subject_int(config, "intermediate_size", 0), heads, kv, subject_int(config, "vocab_size", 0)};
    for (int d = 0; d < DIM_COUNT; d++)
        dim[d] = value[d] > 0 && value[d] < INT32_MAX ? (uint64_t)value[d] : 0;
    dim[DIM_HEADS] *= size > 0 && size < INT32_MAX ? (uint64_t)size : 0;
    dim[DIM_KV] *= size > 0 && size < INT32_MAX ? (uint64_t)size : 0;
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
            if (!slice_ends(slice_of(module->name), shapes[s].leaf) || rows == 0 || columns == 0 || (rows == out && columns == in))
                continue;
            if (shapes[s].out == DIM_VOCAB && columns == in && out > rows) /* padded for tensor parallelism */
                continue;
            TRY(subject_report(subject,
                               (struct remark){SEVERITY_FAIL, module->name, subject_text(subject, err, "shape [%" PRIu64 ", %" PRIu64 "]", out, in),
                                               subject_text(subject, err, "[%" PRIu64 ", %" PRIu64 "] by config.json", rows, columns),
                                               "use the config.json that belongs to these weights", 0},
                               err));
        }
    }
    return STATUS_OK;
}
