#include "plan/survey_blocks.h"

#include "codec/ggml_embed.h"
#include "plan/gap.h"

#define VALUES_MAX (UINT64_C(1) << 20) /* codes in flight */
#define ALIGN 64                       /* rows at a time are a multiple: whole runs of every layout */

void survey_blocks_minima(const struct weight *weight, const struct params *params, struct survey_embed *embed)
{
    const bool betas = weight->spec.zero_kind == ZERO_BETA || weight->spec.zero_kind == ZERO_SCALED;
    for (size_t i = 0; i < params->count; i++) {
        struct ggml_embed_minimum found;
        const float scale = half_from_f16(half_to_f16(params->scale[i]));
        if (params->scale[i] == 0.0f)
            continue;
        if (betas && params->zero[i] == GROUP_NO_ZERO) {
            const bool loose = half_from_f16(half_to_f16(params->beta[i])) != params->beta[i];
            embed->loose[0] += loose;
            embed->loose[1] += loose;
            continue;
        }
        embed->loose[0] += !ggml_embed_minimum(scale, params->zero[i], 15, &found);
        embed->loose[1] += !ggml_embed_minimum(scale, params->zero[i], 31, &found);
    }
}

enum status survey_blocks_range(const struct fetch *fetch, const struct weight *weight, struct scratch *scratch, struct survey_weight *result,
                                struct err *err)
{
    const int64_t middle = INT64_C(1) << (weight->spec.bits - 1), top = 2 * middle - 1;
    struct survey_embed *embed = &result->embed;
    uint32_t *group_of;
    *embed = (struct survey_embed){-middle, middle - 1, {embed->loose[0], embed->loose[1]}};
    if (result->groups.not_mid == 0 || result->groups.zero_min > result->groups.zero_max)
        return STATUS_OK;
    embed->low = -result->groups.zero_max;
    embed->high = top - result->groups.zero_min;
    if (weight->spec.bits < 6 || (embed->low >= -128 && embed->high <= 127))
        return STATUS_OK;
    TRY(decode_group_of(fetch, weight, result->zero_group_of, scratch, &group_of, err));
    embed->low = INT64_MAX;
    embed->high = INT64_MIN;
    const uint64_t fit = VALUES_MAX / weight->in / ALIGN * ALIGN, step = fit == 0 ? ALIGN : fit;
    for (uint64_t out0 = 0; out0 < weight->out; out0 += step) {
        const uint64_t out = weight->out - out0 < step ? weight->out - out0 : step;
        struct params params;
        struct codes codes;
        TRY(params_load(fetch, weight, (struct area){out0, out, 0, weight->groups}, scratch, &params, err));
        TRY(decode_codes(fetch, weight, (struct area){out0, out, 0, weight->in}, scratch, &codes, err));
        for (uint64_t o = 0; o < out; o++) {
            for (uint64_t k = 0; k < weight->in; k++) {
                const uint64_t g = o * weight->groups + group_of[k];
                const int64_t difference = (int64_t)codes.data[o * codes.stride + k] - params.zero[g];
                embed->low = params.scale[g] != 0.0f && difference < embed->low ? difference : embed->low;
                embed->high = params.scale[g] != 0.0f && difference > embed->high ? difference : embed->high;
            }
        }
    }
    return STATUS_OK;
}

uint64_t survey_blocks_run(const uint32_t *group_of, uint64_t in)
{
    uint64_t run = 0;
    for (uint64_t k = 1; k < in && run != 1; k++)
        if (group_of[k] != group_of[k - 1])
            run = gap_common_divisor(k, run);
    return run == 0 ? in : run;
}
