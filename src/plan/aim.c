#include "plan/aim.h"

#include "base/limits.h"
#include "base/regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The target's only dtype of scales, or --dtype where it has a choice, or the source's. */
enum dtype aim_scale_dtype(const struct format *target, const struct options *options, enum dtype source)
{
    const uint32_t held = target->can.scale_dtypes;
    if (options->keep_scale_dtype)
        return source;
    if (options->dtype != DTYPE_NONE && (held >> options->dtype & 1))
        return options->dtype;
    /* F16 is every AWQ and GPTQ engine's own; a format that holds all three keeps the source's. */
    return held >> DTYPE_F32 & 1 && dtype_is_plain_float(source) ? source : held >> DTYPE_F32 & 1 ? DTYPE_F32 : DTYPE_F16;
}

/* The names that a pattern is held against: the float tensor's, and that of the codes. */
static enum status names_weight(const struct regex *regex, const struct model *model, uint32_t weight, bool *found, struct err *err)
{
    char dense[LIMIT_NAME_BYTES_MAX + 16];
    *found = false;
    if (regex == NULL)
        return STATUS_OK;
    (void)snprintf(dense, sizeof dense, "%s.weight", model->weight[weight].name);
    TRY(regex_search(regex, slice_of(dense), found, err));
    const uint32_t codes = model->weight[weight].role[ROLE_CODES];
    return *found || codes == MODEL_NONE ? STATUS_OK : regex_search(regex, slice_of(model->tensor[codes].name), found, err);
}

/* Embeddings are looked up, not multiplied: only MLX holds their codes. */
static bool is_embedding(const char *name)
{
    const char *dot = strrchr(name, '.'), *leaf = dot == NULL ? name : dot + 1;
    return strstr(leaf, "embed") != NULL || strcmp(leaf, "wte") == 0 || strcmp(leaf, "wpe") == 0;
}

/* The target's table has this width with these activations. */
static bool holds(const struct format *target, unsigned bits, enum activation activation)
{
    for (size_t i = 0; i < target->form_count; i++)
        if (target->form[i].bits == bits && target->form[i].activation == activation && target->form[i].grid != GRID_MINIFLOAT)
            return true;
    return false;
}

/* The target has static activations of this width, and no part that holds a quant_bias. */
static bool drops_derived(const struct format *target, const struct aim *aim)
{
    if (aim->activation != ACTIVATION_STATIC)
        return false;
    for (size_t f = 0; f < target->form_count; f++) {
        const struct form *form = &target->form[f];
        for (size_t p = 0; form->bits == aim->bits && form->activation == ACTIVATION_STATIC && p < form->part_count; p++)
            if (form->part[p].role == ROLE_QUANT_BIAS && form->part[p].when != WHEN_NEVER)
                return false;
    }
    return true;
}

static struct aim aim_of(const struct weight *weight, const struct format *target, const struct options *options)
{
    const bool looked_up = is_embedding(weight->name) && target->can.grid != GRID_AFFINE_BETA;
    const bool head = weight->spec.grid == GRID_GGML_BLOCK && strcmp(weight->name, "lm_head") == 0; /* other formats leave it float as well */
    const bool dense = !target->arranged && (target->form_count == 0 || looked_up || head);
    struct aim aim = {.dense = dense, .bits = weight->spec.bits, .activation = weight->spec.activation};
    if (options->bits != 0)
        aim.bits = (uint8_t)(options->bits < 255 ? options->bits : 255);
    if (options->weights_only && !holds(target, aim.bits, aim.activation))
        aim.activation = ACTIVATION_NONE;
    aim.zeros = target->form_count > 0 ? target->form[0].asymmetric : ZERO_MID;
    aim.dtype = weight->spec.grid == GRID_MINIFLOAT ? weight->spec.scale_dtype : aim_scale_dtype(target, options, weight->spec.scale_dtype);
    return aim;
}

static enum status aim_weights(struct aims *aims, const struct model *model, const struct format *target, const struct options *options,
                               const struct regex *const regex[2], struct err *err)
{
    bool rounded = false; /* float weights that --keep names were not made codes of */
    aims->idle[0] = regex[0] != NULL;
    aims->idle[1] = regex[1] != NULL;
    for (uint32_t w = 0; w < model->weight_count; w++) {
        struct aim *aim = &aims->weight[w];
        bool kept;
        rounded = rounded || model->weight[w].origin != NULL;
        *aim = aim_of(&model->weight[w], target, options);
        TRY(names_weight(regex[0], model, w, &kept, err));
        TRY(names_weight(regex[1], model, w, &aim->excluded, err));
        aims->idle[0] = aims->idle[0] && !kept && !rounded;
        aims->idle[1] = aims->idle[1] && !aim->excluded;
        aim->dense = aim->dense || kept;
        aim->zeros = aim->dense ? ZERO_MID : aim->zeros;
        aim->drops_derived = !aim->dense && !aim->excluded && drops_derived(target, aim);
    }
    for (uint32_t t = 0; regex[1] != NULL && t < model->tensor_count; t++) {
        const struct tensor *tensor = &model->tensor[t];
        bool part = false;
        if (tensor->fate == FATE_CARRY)
            TRY(regex_search(regex[1], slice_of(tensor->name), &aims->excluded[t], err));
        else if (tensor->fate == FATE_CLAIMED && !aims->weight[tensor->peer].excluded)
            TRY(regex_search(regex[1], slice_of(tensor->name), &part, err));
        if (part) {
            (void)err_set(err, STATUS_USAGE, "--exclude", "found that it names %s, a part of the weight %s, expected whole weights", tensor->name,
                          model->weight[tensor->peer].name);
            return err_try(err, "--exclude with the name of the weight or of its codes drops it whole");
        }
        aims->idle[1] = aims->idle[1] && !aims->excluded[t];
    }
    return STATUS_OK;
}

enum status aim_make(struct aims *aims, const struct model *model, const struct format *target, const struct options *options, enum dtype dense,
                     struct err *err)
{
    struct regex *regex[2] = {NULL, NULL};
    *aims = (struct aims){.floats = options->dtype, .stated = dense};
    aims->weight = mem_alloc(model->weight_count + 1, sizeof *aims->weight, err);
    aims->excluded = mem_alloc(model->tensor_count + 1, sizeof *aims->excluded, err);
    aims->tensor = mem_alloc(model->tensor_count + 1, sizeof *aims->tensor, err);
    enum status status = aims->weight == NULL || aims->excluded == NULL || aims->tensor == NULL ? STATUS_LIMIT : STATUS_OK;
    for (size_t t = 0; status == STATUS_OK && t < model->tensor_count; t++)
        aims->tensor[t] = (struct aim_tensor){.dtype = options->dtype, .add = model->tensor[t].shift};
    if (status == STATUS_OK && options->keep != NULL)
        status = regex_compile(&regex[0], slice_of(options->keep), "--keep", STATUS_USAGE, err);
    if (status == STATUS_OK && options->exclude != NULL)
        status = regex_compile(&regex[1], slice_of(options->exclude), "--exclude", STATUS_USAGE, err);
    if (status == STATUS_OK)
        status = aim_weights(aims, model, target, options, (const struct regex *const[2]){regex[0], regex[1]}, err);
    for (size_t w = 0; status == STATUS_OK && w < model->weight_count; w++)
        if (aims->weight[w].dense)
            aims->weight[w].dtype = options->dtype != DTYPE_NONE ? options->dtype : dense;
    regex_free(regex[0]);
    regex_free(regex[1]);
    return status;
}

void aim_free(struct aims *aims)
{
    free(aims->weight);
    free(aims->excluded);
    free(aims->tensor);
    *aims = (struct aims){0};
}
