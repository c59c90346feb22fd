#include "plan/ggufmix.h"

#include "formats/ggufcopy.h"
#include "formats/hyper.h"
#include "plan/mix.h"

#include <stdlib.h>
#include <string.h>

/* Types that the converter writes itself, by rules of its own. */
static bool is_plain(enum filetype type)
{
    return type == FILETYPE_NONE || type == FILETYPE_F32 || type == FILETYPE_F16 || type == FILETYPE_BF16 || type == FILETYPE_Q8_0;
}

static int by_layer(const void *a, const void *b)
{
    return mix_before(((const struct arranged *)a)->name, ((const struct arranged *)b)->name);
}

static int by_layer_of_pointer(const void *a, const void *b)
{
    return by_layer(*(const void *const *)a, *(const void *const *)b);
}

/* What a tensor is without another type; GGML_COUNT: codes of no block type. */
static enum ggml_type stored_type(const struct model *model, const struct arranged *arranged)
{
    if (arranged->source != MODEL_NONE)
        return arranged->always_f32 ? GGML_F32 : ggml_of_dtype(model->tensor[arranged->source].dtype);
    const struct spec *spec = &model->weight[arranged->weight[0]].spec;
    return spec->grid == GRID_GGML_BLOCK ? (enum ggml_type)spec->block : spec_is_mxfp4(spec) ? GGML_MXFP4 : GGML_COUNT;
}

/* What config.json says. */
static struct gguf_hyper hyper_of(const struct gguf_input *input)
{
    const struct arch *arch = input->arrangement->arch;
    struct gguf_hyper hyper = {.arch = slice_of(arch->name)};
    (void)hyper_count(arch, input->config, "n_layers|num_hidden_layers|n_layer|num_layers", &hyper.layers);
    (void)hyper_count(arch, input->config, "num_attention_heads|n_head|n_heads", &hyper.heads);
    hyper.key_heads = hyper.heads;
    (void)hyper_count(arch, input->config, "num_key_value_heads|n_kv_heads", &hyper.key_heads);
    (void)hyper_count(arch, input->config, "num_local_experts|num_experts|n_routed_experts", &hyper.experts);
    return hyper;
}

/* Without an importance matrix some types are garbage; blocks are rounded anew only where it is allowed. */
static enum status check(struct arrangement *arrangement, const struct mix_tensor *tensor, const struct mix_rules *rules, const struct options *options,
                         struct err *err)
{
    const bool unallowed = rules->strict && tensor->type != tensor->stored && ggml_kind(tensor->stored) == GGML_KIND_BLOCK && !options->requantize;
    if (options->sizes_only) {
        arrangement->unweighed += tensor->needs_importance && !rules->importance;
        arrangement->unallowed += unallowed;
        return STATUS_OK;
    }
    if (tensor->needs_importance && !rules->importance) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, tensor->name, "found no importance matrix, without which %s keeps too little", ggml_name(tensor->type));
        return err_try(err, "--imatrix FILE, or a type of more bits");
    }
    if (!unallowed)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, tensor->name, "found blocks of %s, which would be rounded anew to %s", ggml_name(tensor->stored),
                  ggml_name(tensor->type));
    return err_try(err, "--allow-requantize (lossy), or a source of floats");
}

/* The importance of the columns of a tensor that is rounded. An entry of another size is an error, whatever the tensor becomes: the matrix is of another model.
   But for embeddings, whose columns are no sums of inputs. */
static enum status weigh(struct arrangement *arrangement, struct arranged *arranged, const struct mix_tensor *tensor, const struct options *options,
                         struct err *err)
{
    const struct imatrix_entry *entry = imatrix_find(arrangement->imatrix, arranged->counted_as != NULL ? arranged->counted_as : arranged->name);
    const uint64_t columns = tensor->shape[tensor->rank - 1], matrices = tensor->rank > 2 ? tensor->shape[tensor->rank - 3] : 1;
    const bool whole = tensor->rank <= 3; /* nobody stacks stacks */
    if (entry != NULL && whole && entry->values == columns * matrices) {
        arranged->importance = ggml_kind(tensor->type) == GGML_KIND_BLOCK ? entry : NULL;
        return STATUS_OK;
    }
    const bool embedding = strcmp(tensor->name, "token_embd.weight") == 0 || strcmp(tensor->name, "per_layer_token_embd.weight") == 0;
    if (entry != NULL && !embedding) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, tensor->name, "found %llu values in the importance matrix, expected %llu columns of %llu matri%s",
                      (unsigned long long)entry->values, (unsigned long long)columns, (unsigned long long)matrices, matrices == 1 ? "x" : "ces");
        return err_try(err, "an importance matrix that llama-imatrix made of this model");
    }
    arrangement->unweighed += tensor->needs_importance;
    if (!tensor->needs_importance || options->sizes_only)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, tensor->name, "found no entry in the importance matrix, without which %s keeps too little",
                  ggml_name(tensor->type));
    return err_try(err, "an importance matrix of this model, or a type of more bits");
}

static enum status choose(struct arrangement *arrangement, struct arranged **order, const struct model *model, const struct gguf_input *input,
                          const struct options *options, struct err *err)
{
    const size_t count = arrangement->count;
    struct mix_rules rules = {.output = GGML_COUNT, .embedding = GGML_COUNT};
    if (options->mix != NULL)
        rules = *options->mix;
    rules.type = options->type;
    rules.importance = input->options->imatrix != NULL;
    const struct gguf_hyper hyper = input->copy != NULL ? input->copy->hyper : hyper_of(input);
    struct mix_tensor *tensor = mem_alloc(count + 1, sizeof *tensor, err);
    if (tensor == NULL)
        return STATUS_LIMIT;
    for (size_t t = 0; t < count; t++)
        tensor[t] = (struct mix_tensor){.name = order[t]->name, .shape = order[t]->shape, .rank = order[t]->rank, .stored = stored_type(model, order[t])};
    enum status status = mix_choose(&rules, &hyper, tensor, count, err);
    for (size_t t = 0; t < count && status == STATUS_OK; t++) {
        status = check(arrangement, &tensor[t], &rules, options, err);
        order[t]->type = tensor[t].type;
        order[t]->chosen = tensor[t].type != GGML_COUNT;
        if (status == STATUS_OK && rules.importance && tensor[t].type != tensor[t].stored && tensor[t].type != GGML_COUNT)
            status = weigh(arrangement, order[t], &tensor[t], options, err);
    }
    free(tensor);
    return status;
}

/* Without a type of the file's own: what options say of single tensors. */
static enum status overrule(struct arrangement *arrangement, const struct model *model, const struct gguf_input *input, const struct options *options,
                            struct err *err)
{
    struct mix_rules rules = *options->mix;
    rules.importance = input->options->imatrix != NULL;
    const struct gguf_hyper hyper = input->copy != NULL ? input->copy->hyper : hyper_of(input);
    for (size_t t = 0; t < arrangement->count; t++) {
        struct arranged *arranged = &arrangement->tensor[t];
        struct mix_tensor tensor = {.name = arranged->name, .shape = arranged->shape, .rank = arranged->rank, .stored = stored_type(model, arranged)};
        TRY(mix_overrule(&rules, &hyper, &tensor, err));
        if (tensor.type == tensor.stored)
            continue;
        TRY(check(arrangement, &tensor, &rules, options, err));
        arranged->type = tensor.type;
        arranged->chosen = true;
        if (rules.importance && tensor.type != GGML_COUNT)
            TRY(weigh(arrangement, arranged, &tensor, options, err));
    }
    return STATUS_OK;
}

enum status ggufmix_choose(struct arrangement *arrangement, const struct model *model, const struct gguf_input *input, const struct options *options,
                           struct err *err)
{
    const bool copy = input->copy != NULL;
    arrangement->imatrix = input->options->imatrix;
    /* --keep-split: llama-quantize goes through the tensors as their shards have them, and its mixes count so */
    const bool kept = options->split.way == SPLIT_KEPT || options->verbatim;
    if (copy && !kept && arrangement->count > 1)
        qsort(arrangement->tensor, arrangement->count, sizeof *arrangement->tensor, by_layer);
    for (size_t t = 0; copy && options->type == FILETYPE_NONE && t < arrangement->count; t++) {
        arrangement->tensor[t].type = stored_type(model, &arrangement->tensor[t]);
        arrangement->tensor[t].chosen = true;
    }
    if (options->mix != NULL && options->type == FILETYPE_NONE && !options->mix->strict)
        return overrule(arrangement, model, input, options, err);
    if (copy ? options->type == FILETYPE_NONE : options->mix == NULL && (options->converter || is_plain(options->type)))
        return STATUS_OK;
    struct arranged **order = mem_alloc(arrangement->count + 1, sizeof *order, err);
    if (order == NULL)
        return STATUS_LIMIT;
    for (size_t t = 0; t < arrangement->count; t++)
        order[t] = &arrangement->tensor[t];
    if (!kept && arrangement->count > 1)
        qsort(order, arrangement->count, sizeof(struct arranged *), by_layer_of_pointer);
    const enum status status = choose(arrangement, order, model, input, options, err);
    free(order);
    return status;
}
