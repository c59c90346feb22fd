#include "plan/recode.h"

#include "base/limits.h"
#include "base/regex.h"
#include "plan/aim.h"

#include <stdio.h>

#define F4_INTEGER_BITS 5           /* -12..12 */
#define F16_EXPONENT_MIN (128 - 24) /* the least subnormal */
#define F16_EXPONENT_MAX (128 + 15)

static bool is_recoded(const struct weight *weight, const struct options *options)
{
    const struct spec *spec = &weight->spec;
    return spec_is_mxfp4(spec) && spec->experts == 0 && (spec->activation == ACTIVATION_NONE || options->weights_only);
}

static enum status is_kept(const struct regex *keep, const struct model *model, const struct weight *weight, bool *kept, struct err *err)
{
    char dense[LIMIT_NAME_BYTES_MAX + 16];
    *kept = false;
    if (keep == NULL)
        return STATUS_OK;
    (void)snprintf(dense, sizeof dense, "%s.weight", weight->name);
    TRY(regex_search(keep, slice_of(dense), kept, err));
    return *kept ? STATUS_OK : regex_search(keep, slice_of(model->tensor[weight->role[ROLE_CODES]].name), kept, err);
}

static void recode(struct weight *weight)
{
    struct spec *spec = &weight->spec;
    spec->grid = GRID_AFFINE_ZERO;
    spec->bits = F4_INTEGER_BITS;
    spec->zero_kind = ZERO_MID;
    spec->code_rule = CODE_F4_DOUBLED;
    spec->scale_dtype = DTYPE_BF16; /* the narrowest dtype that holds all of them, 2^-128 (a subnormal) to 2^126 */
    spec->activation = ACTIVATION_NONE;
}

bool recode_holds(const struct format *format, const struct weight *weight, const struct survey_weight *seen, const struct options *options, unsigned bits)
{
    if (!is_recoded(weight, options) || bits < F4_INTEGER_BITS || bits > 8 || !(registry_widths(format) >> bits & 1) || seen->exponent_max == 255)
        return false;
    const bool narrow = aim_scale_dtype(format, options, DTYPE_BF16) == DTYPE_F16;
    return !narrow || (seen->exponent_min >= F16_EXPONENT_MIN && seen->exponent_max <= F16_EXPONENT_MAX);
}

enum status recode_weights(struct model *model, const struct format *target, const struct options *options, struct err *err)
{
    struct regex *keep = NULL;
    if (options->bits < F4_INTEGER_BITS || options->bits > 8 || !(registry_widths(target) >> options->bits & 1))
        return STATUS_OK;
    enum status status = options->keep == NULL ? STATUS_OK : regex_compile(&keep, slice_of(options->keep), "--keep", STATUS_USAGE, err);
    for (size_t w = 0; status == STATUS_OK && w < model->weight_count; w++) {
        bool kept = false;
        if (!is_recoded(&model->weight[w], options))
            continue;
        status = is_kept(keep, model, &model->weight[w], &kept, err);
        if (status == STATUS_OK && !kept)
            recode(&model->weight[w]);
    }
    regex_free(keep);
    return status;
}
