/* hf: a float Hugging Face checkpoint: safetensors or pytorch_model.bin, index, config.json. Every tensor is carried as it is. */
#include "formats/format.h"

#include <stdio.h>

static void hf_probe(const struct source *source, struct bid *bid)
{
    if (source_quantization(source) != NULL)
        return;
    *bid = (struct bid){.score = 30};
    (void)snprintf(bid->evidence, sizeof bid->evidence, "%s without a quantization description",
                   source->kind == &shards_torch ? "weights of torch.save" : "safetensors");
}

/* Quantized weights without their config must not pass for a float checkpoint: their integers would be carried as opaque tensors. */
static enum status hf_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    (void)options;
    TRY(source_tensors(source, model, err));
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        static const char *const quantized[] = {".qweight", ".weight_packed", ".weight_scale", ".qzeros"};
        for (size_t q = 0; q < sizeof quantized / sizeof quantized[0]; q++) {
            char where[700];
            const bool mlx = model->tensor[i].dtype == DTYPE_U32 && slice_ends(slice_of(model->tensor[i].name), ".weight");
            if (!mlx && !slice_ends(slice_of(model->tensor[i].name), quantized[q]))
                continue;
            (void)err_set(err, STATUS_UNSUPPORTED, model_where(model, i, where, sizeof where),
                          "found a quantized tensor, but no quantization_config and no description file");
            return err_try(err, "add the config.json (or quant_model_description.json) that belongs to these weights");
        }
    }
    return STATUS_OK;
}

const struct format hf_format = {
    .name = "hf",
    .title = "float Hugging Face checkpoint (safetensors)",
    .can = {.reads = true, .writes = true, .scale_dtypes = 1u << DTYPE_F32 | 1u << DTYPE_F16 | 1u << DTYPE_BF16},
    .names = {.stem = "model"},
    .probe = hf_probe,
    .read = hf_read,
};
