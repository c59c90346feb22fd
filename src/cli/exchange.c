#include "cli/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool exchange_holds_codes(const struct format *format)
{
    return format->can.grid == GRID_AFFINE_ZERO || format->can.grid == GRID_AFFINE_BETA;
}

bool exchange_holds_activations(const struct format *format)
{
    for (size_t f = 0; f < format->form_count; f++)
        if (format->form[f].activation != ACTIVATION_NONE)
            return true;
    return false;
}

const char *exchange_groups(const struct format *format, char buffer[48])
{
    static const char *const rules[] = {"per weight", "one for all", "one, or channels"};
    size_t used = 0;
    for (const uint16_t *size = format->can.group_size; size != NULL && *size != 0 && used < 48; size++)
        used += (size_t)snprintf(buffer + used, 48 - used, "%u, ", *size);
    (void)snprintf(buffer + used, 48 - used, "%s%s", used == 0 ? "any, " : "", rules[format->can.groups]);
    return buffer;
}

void exchange_condition(struct exchange *pair, const char *format, ...)
{
    va_list arguments;
    if (pair->count == EXCHANGE_CONDITIONS_MAX)
        return;
    va_start(arguments, format);
    (void)vsnprintf(pair->condition[pair->count++], sizeof pair->condition[0], format, arguments);
    va_end(arguments);
}

bool exchange_holds_floats(const struct format *to, const struct form *own)
{
    for (size_t t = 0; t < to->form_count; t++)
        if (to->form[t].grid == GRID_MINIFLOAT && own->bits == to->form[t].bits && (own->bits == 4 || own->part[0].dtype == to->form[t].part[0].dtype))
            return true;
    return false;
}

/* A form of `from` whose codes `to` holds as they are: small floats of one dtype, or integers of one width. NULL: none. */
static const struct form *shared_form(const struct format *from, const struct format *to)
{
    for (size_t f = 0; f < from->form_count; f++) {
        const struct form *own = &from->form[f];
        if ((own->grid == GRID_DENSE || own->grid == GRID_AFFINE_ZERO) && (registry_widths(to) >> own->bits & 1)) /* integers: the default */
            return own;
        if (own->grid == GRID_MINIFLOAT && exchange_holds_floats(to, own))
            return own;
    }
    return NULL;
}

/* Small floats of 4 bits are integers of 5, in half units. */
static bool are_integers(const struct form *form, const struct format *to)
{
    return form->grid == GRID_MINIFLOAT && form->bits == 4 && form->codes == LAYOUT_ROW_IN4 && (registry_widths(to) >> 8 & 1);
}

/* What a pair that moves integers says of small floats: that they move, or how they become integers. */
static void describe_small_floats(const struct format *from, const struct format *to, struct exchange *pair)
{
    for (size_t f = 0; f < from->form_count; f++) {
        const struct form *own = &from->form[f];
        if (own->grid != GRID_MINIFLOAT || own->activation != ACTIVATION_NONE)
            continue;
        if (exchange_holds_floats(to, own))
            exchange_condition(pair, "%s: bytes, codes and scales only move", own->name);
        else if (!are_integers(own, to))
            exchange_condition(pair, "%s: it has no place (R-FP8)", own->name);
        if (are_integers(own, to))
            exchange_condition(pair, "%s with --bits 8: exact, in groups of 32 (R-FP8 without; R-SCALE where the scales' dtype does not hold 2^(e-128))",
                               own->name);
    }
}

/* Pairs in which one side holds floats, or no codes that can be moved. */
static void describe_floats(const struct format *from, const struct format *to, struct exchange *pair)
{
    if (from->can.grid == GRID_DENSE && to->can.blocks) {
        pair->class_name = "exact";
        exchange_condition(pair, "float tensors keep their dtype; vectors, norms and routers become F32");
        exchange_condition(pair, "--type F32, F16 or BF16 casts them (exact or rounded); Q8_0, Q4_K_M and the like round to nearest (lossy)");
        exchange_condition(pair, "the architecture is one whose tensors have names in GGUF");
    } else if (from->can.grid == GRID_DENSE && to->can.grid == GRID_DENSE) {
        pair->class_name = "bytes";
        exchange_condition(pair, "float tensors keep their dtype; --dtype casts them (exact or rounded)");
    } else if (to->can.grid == GRID_DENSE) {
        pair->class_name = "exact";
        exchange_condition(pair, "where every value is representable in the dtype that is written, else rounded (--exact refuses)");
        if (from->can.stacks && exchange_holds_codes(from))
            exchange_condition(pair, "no stacks of experts (R-EXPERTS)");
    } else if (from->can.grid == GRID_DENSE) {
        pair->class_name = "lossy";
        exchange_condition(pair, "--bits asks for it: the Linear layers of the decoder blocks are rounded to nearest");
    } else if (from->can.stacks && !to->can.stacks) {
        pair->class_name = "none";
        exchange_condition(pair, "%s: the target holds no stacks (R-EXPERTS); --to hf dequantizes", from->title);
    } else if (shared_form(from, to) != NULL) {
        const bool moves = shared_form(from, to)->grid == GRID_MINIFLOAT;
        pair->class_name = moves ? "bytes" : "rounded";
        exchange_condition(pair, moves ? "codes and scales only move" : "%s: codes are exact, and a scale is a product, rounded in F32 (--exact refuses)",
                           shared_form(from, to)->name);
        if (!moves)
            exchange_condition(pair, "other forms lie on no integer grid (R-CODEBOOK); --to hf dequantizes");
    } else {
        pair->class_name = "none";
        exchange_condition(pair, "%s: no integer grid holds the values (%s); --to hf dequantizes", from->title,
                           from->can.grid == GRID_CODEBOOK ? "R-CODEBOOK" : "R-FP8");
        for (size_t f = 0; f < from->form_count; f++)
            if (from->form[f].grid == GRID_DENSE)
                exchange_condition(pair, "%s: codes of %u bits have no place (R-BITS)", from->form[f].name, from->form[f].bits);
    }
}

static void describe_zeros(const struct format *from, const struct format *to, struct exchange *pair)
{
    if (!registry_asymmetric(from))
        return;
    if (to->can.grid == GRID_AFFINE_BETA && from->can.grid == GRID_AFFINE_BETA)
        return;
    if (to->can.grid == GRID_AFFINE_BETA)
        exchange_condition(pair, "-zero * scale is exact in the scales' dtype: always for symmetric weights, else with --dtype f32 (R-BIAS)");
    else if (from->can.grid == GRID_AFFINE_BETA)
        exchange_condition(pair, "-bias / scale of every group is an integer that the target holds (R-RANGE)");
    else if (to->form[0].asymmetric == ZERO_OFFSET)
        exchange_condition(pair, "every zero of a live group is an integer (R-RANGE)");
    else
        exchange_condition(pair, to->can.zero_at_zero ? "every zero of a live group is an integer in 0..2^bits-1 (R-RANGE)"
                                                      : "every zero of a live group is an integer in 1..2^bits-1 (R-RANGE, R-ZERO-V1)");
}

static void describe_groups(const struct format *from, const struct format *to, struct exchange *pair)
{
    if (from->can.act_order && to->can.act_order && to->can.even_groups && !from->can.even_groups)
        exchange_condition(pair, "groups in activation order have as many columns as those in order (R-ACTORDER)");
    if (from->can.act_order && !to->can.act_order)
        exchange_condition(pair, "groups are in order: g_idx[k] = k / group_size (R-ACTORDER)");
    if (to->can.group_size != NULL) {
        char sizes[48];
        exchange_condition(pair, "groups are refined to the largest size that divides all, of %s (R-GROUP)", exchange_groups(to, sizes));
    } else if (from->can.groups != GROUPS_SHARED && to->can.groups != GROUPS_EACH) {
        exchange_condition(pair, "several group sizes are refined to the largest that divides all");
    }
}

void exchange_shapes(const struct format *to, struct exchange *pair)
{
    for (size_t f = 0; f < to->form_count; f++) {
        const struct form *form = &to->form[f];
        const struct layout *codes = layout_row(form->codes), *zeros = layout_row(form->zeros);
        if (form->activation != ACTIVATION_NONE || codes->tail != TAIL_WHOLE || form->variant == VARIANT_UNPACKED)
            continue;
        const uint64_t of_zeros = form->asymmetric == ZERO_CODES ? layout_align(zeros, AXIS_OUT) : 1, of_codes = layout_align(codes, AXIS_OUT);
        const uint64_t out = of_codes > of_zeros ? of_codes : of_zeros, in = layout_align(codes, AXIS_IN);
        if (out > 1 || in > 1)
            exchange_condition(pair, "out_features is a multiple of %llu and in_features of %llu (R-SHAPE, %s)", (unsigned long long)out,
                               (unsigned long long)in, form->name);
    }
}

static void describe_codes(const struct format *from, const struct format *to, struct exchange *pair)
{
    char bits[64];
    const bool scales = (from->can.scale_dtypes & ~to->can.scale_dtypes) == 0;
    const bool zeros =
        from->form[0].asymmetric == to->form[0].asymmetric && from->form[0].symmetric == to->form[0].symmetric && from->zero_rule == to->zero_rule;
    pair->class_name = !scales ? "rounded" : zeros ? "bytes" : "exact";
    if (!scales)
        exchange_condition(pair, "scales are rounded to F16 where they are not exact in it (--exact refuses); codes and zeros are exact");
    if ((registry_widths(from) & ~registry_widths(to)) != 0)
        exchange_condition(pair, "codes of %s bits (R-BITS)", registry_bits(to, bits, sizeof bits));
    describe_zeros(from, to, pair);
    describe_groups(from, to, pair);
    if (exchange_holds_activations(from) && !exchange_holds_activations(to))
        exchange_condition(pair, "activation parameters (W8A8) are dropped, with --weights-only (R-ACTPARAM)");
    exchange_shapes(to, pair);
    describe_small_floats(from, to, pair);
    if (from->can.stacks && !to->can.stacks)
        exchange_condition(pair, "no stacks of experts (R-EXPERTS)");
}

void exchange_describe(const struct format *from, const struct format *to, struct exchange *pair)
{
    if (!to->can.writes || !from->can.reads) {
        pair->class_name = "none";
        exchange_condition(pair, !to->can.writes ? "the target is not written by this version" : "the source is not read by this version");
    } else if (to->can.blocks && from->form_count > 0) {
        exchange_blocks_into(from, pair);
    } else if (from->can.blocks) {
        exchange_blocks_from(from, to, pair);
    } else if (!exchange_holds_codes(from) || !exchange_holds_codes(to)) {
        describe_floats(from, to, pair);
    } else {
        describe_codes(from, to, pair);
    }
    if (from->can.reencoded != NULL && strcmp(pair->class_name, "bytes") == 0)
        exchange_condition(pair, "%s: exactly, in another encoding", from->can.reencoded);
}
