#include "plan/activation.h"

#include "codec/half.h"
#include "formats/parts.h"

#include <math.h>
#include <string.h>

#define LOOSE 0.01     /* the coarsest dtype of a factor, BF16, is off by 2^-9 */
#define LOOSE_DEQ 1e-7 /* F16 ends near 6e-8 */

enum status activation_value(const struct fetch *fetch, const struct weight *weight, enum role role, float *value, struct err *err)
{
    uint8_t stored[8] = {0};
    *value = 0.0f;
    if (weight->role[role] == MODEL_NONE)
        return STATUS_OK;
    const enum dtype dtype = fetch->model->tensor[weight->role[role]].dtype;
    TRY(fetch_bytes(fetch, weight->role[role], 0, stored, dtype_bits(dtype) / 8, err));
    if (dtype == DTYPE_I8)
        *value = (float)(int8_t)stored[0];
    else
        half_load(dtype, stored, 1, value);
    return STATUS_OK;
}

enum status activation_layer_bias(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, float *bias,
                                  struct err *err)
{
    uint32_t index = weight->role[ROLE_LAYER_BIAS];
    memset(bias, 0, (size_t)area.out * sizeof *bias);
    if (index == MODEL_NONE && !parts_sibling(fetch->model, slice_of(weight->name), ".bias", &index))
        return STATUS_OK;
    const struct tensor *tensor = &fetch->model->tensor[index];
    if (!dtype_is_plain_float(tensor->dtype) || model_elements(tensor) != weight->out)
        return STATUS_OK;
    const uint64_t size = dtype_bits(tensor->dtype) / 8;
    uint8_t *stored = scratch_take(scratch, SCRATCH_DENSE, area.out * size, err);
    if (stored == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(fetch, index, area.out0 * size, stored, area.out * size, err));
    half_load(tensor->dtype, stored, (size_t)area.out, bias);
    return STATUS_OK;
}

enum status activation_sums(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, int64_t *sum,
                            struct err *err)
{
    const int64_t middle = INT64_C(1) << (weight->spec.bits - 1);
    struct codes codes;
    TRY(decode_codes(fetch, weight, area, scratch, &codes, err));
    for (uint64_t row = 0; row < area.out; row++) {
        const uint8_t *code = codes.data + row * codes.stride;
        int64_t total = 0;
        for (uint64_t k = 0; k < area.in; k++)
            total += code[k];
        sum[row] = total - middle * (int64_t)area.in;
    }
    return STATUS_OK;
}

struct activation_bias activation_bias(float bias, float deq, float zero, int64_t sum)
{
    const double own = deq == 0.0f ? 0.0 : (double)bias / (double)deq, moved = (double)zero * (double)sum;
    return (struct activation_bias){own - moved, fabs(own) + fabs(moved)};
}

bool activation_deq_follows(double product, double deq)
{
    return fabs(product - deq) <= LOOSE_DEQ + LOOSE * fabs(product);
}

bool activation_bias_follows(struct activation_bias formula, double stored)
{
    return fabs(formula.exact - stored) <= 0.5 + LOOSE * formula.size;
}
