#include "plan/gap_mxfp4.h"

#include "plan/recode.h"

#include <stdio.h>

static enum status refuse_stack(const struct gap *gap, uint32_t index, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const bool bits = gap->aims->weight[index].bits != weight->spec.bits;
    if (!gap->target->can.stacks)
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                      "found MXFP4 codes of %u experts in one stack, and %s holds one Linear layer a weight (R-EXPERTS)", weight->spec.experts,
                      gap->target->name);
    else if (bits)
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found MXFP4 codes of %u experts in one stack, to become %u bits, expected 4 (R-EXPERTS)",
                      weight->spec.experts, gap->aims->weight[index].bits);
    else
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                      "found MXFP4 codes of %u experts in one stack, expected gate_up_proj of an even number of rows, or down_proj (R-EXPERTS)",
                      weight->spec.experts);
    if (weight->spec.switched)
        return err_try(err, "--to mlx without --bits leaves it as it is");
    return gap_try_others(gap, index, bits && gap->target->can.stacks ? "leave --bits out" : "", false, err);
}

static enum status refuse(const struct gap *gap, uint32_t index, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct aim *aim = &gap->aims->weight[index];
    const struct want want = {.bits = weight->spec.bits, .grid = GRID_MINIFLOAT};
    const bool held = registry_form(gap->target, &want) != NULL, others = aim->bits != weight->spec.bits;
    char wider[64] = "";
    if ((held || others) && aim->activation != ACTIVATION_NONE) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found MXFP4 activations, which %s cannot hold%s (R-ACTPARAM)", gap->target->name,
                      held ? " beside these codes" : "");
        return gap_try_others(gap, index, "--weights-only drops them", false, err);
    }
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found MXFP4 codes, which no grid of %u-bit integers holds, and %s has no place for (R-FP8)",
                  aim->bits, gap->target->name);
    if (recode_holds(gap->target, weight, &gap->survey->weight[index], gap->options, 8))
        (void)snprintf(wider, sizeof wider, "--bits 8, integers that are exact");
    return gap_try_others(gap, index, wider, true, err);
}

enum status gap_mxfp4_refuse_dense(const struct weight *weight, struct err *err)
{
    (void)err_set(err, STATUS_UNSUPPORTED, weight->name, "found a stack of %u experts, gate and up apart, which no float checkpoint holds (R-EXPERTS)",
                  weight->spec.experts);
    return err_try(err, spec_is_mxfp4(&weight->spec) ? "--to mlx without --keep leaves it as it is" : "the checkpoint that the file was made of");
}

enum status gap_mxfp4_refuse_codes(const struct gap *gap, const struct weight *weight, struct err *err)
{
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found codes of %u experts in one stack, and %s holds one Linear layer a weight (R-EXPERTS)",
                  weight->spec.experts, gap->target->name);
    return err_try(err, "--to gguf with another --type");
}

enum status gap_mxfp4_move(const struct gap *gap, uint32_t index, struct spec *spec, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct aim *aim = &gap->aims->weight[index];
    const struct want want = {.bits = weight->spec.bits, .activation = aim->activation, .grid = GRID_MINIFLOAT};
    const struct form *form = registry_form(gap->target, &want);
    if (weight->spec.experts > 0 && !(gap->target->can.stacks && weight->spec.switched && aim->bits == weight->spec.bits))
        return refuse_stack(gap, index, err);
    if (form == NULL || aim->bits != weight->spec.bits)
        return refuse(gap, index, err);
    if (gap->options->group != 0 && (uint64_t)gap->options->group != weight->spec.group) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found MXFP4 in groups of %llu, to become groups of %lld: MXFP4 has no others (R-GROUP)",
                      (unsigned long long)weight->spec.group, (long long)gap->options->group);
        return err_try(err, "leave --group-size out");
    }
    *spec = weight->spec;
    spec->activation = aim->activation;
    spec->form = (uint8_t)(form - gap->target->form);
    return STATUS_OK;
}
