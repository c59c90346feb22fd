#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/emit.h"
#include "formats/registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct formats_options {
    const char *from, *to;
    bool json;
};

#define FORMATS_ROWS(o) \
    { \
        {"--from", ARGUMENT_STRING, &(o)->from, "A", "with --to: the exactness of one pair and its conditions"}, \
            {"--to", ARGUMENT_STRING, &(o)->to, "B", "with --from: the target of the pair"}, \
            {"--json", ARGUMENT_FLAG, &(o)->json, NULL, "the table as one JSON object on stdout"}, \
    }

void command_formats_help(void)
{
    struct formats_options options;
    const struct argument rows[] = FORMATS_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

/* --- the matrix --------------------------------------------------------------------------------------------------------------- */

static bool holds_codes(const struct format *format)
{
    return format->can.grid == GRID_AFFINE_ZERO || format->can.grid == GRID_AFFINE_BETA;
}

static const char *zeros_text(const struct format *format)
{
    if (!holds_codes(format))
        return "-";
    if (format->can.grid == GRID_AFFINE_BETA)
        return "as biases";
    if (!registry_asymmetric(format))
        return "symmetric";
    return format->can.zero_at_zero ? "any" : "not 0";
}

static const char *groups_text(const struct format *format, char buffer[48])
{
    static const char *const rules[] = {"per weight", "one for all", "one, or channels"};
    size_t used = 0;
    if (!holds_codes(format))
        return "-";
    for (const uint16_t *size = format->can.group_size; size != NULL && *size != 0 && used < 48; size++)
        used += (size_t)snprintf(buffer + used, 48 - used, "%u, ", *size);
    (void)snprintf(buffer + used, 48 - used, "%s%s", used == 0 ? "any, " : "", rules[format->can.groups]);
    return buffer;
}

static const char *order_text(const struct format *format)
{
    return !holds_codes(format) ? "-" : format->can.act_order ? "yes" : "no";
}

static const char *bits_text(const struct format *format, char *buffer, size_t size)
{
    return format->form_count == 0 ? "float" : registry_bits(format, buffer, size);
}

static const char *scales_text(const struct format *format, char buffer[32])
{
    static const enum dtype order[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F32};
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (format->can.scale_dtypes >> order[i] & 1)
            used += (size_t)snprintf(buffer + used, 32 - used, "%s%s", used == 0 ? "" : ", ", dtype_name(order[i]));
    return buffer;
}

static void print_matrix(void)
{
    static const char layout[] = "| %-18s | %-4s | %-5s | %-22s | %-28s | %-9s | %-9s | %-14s | %s |\n";
    char bits[64], scales[32], groups[48];
    (void)printf(layout, "format", "read", "write", "bits", "groups", "zeros", "act-order", "scales", "what");
    (void)printf("|--------------------|------|-------|------------------------|------------------------------|-----------|-----------|----"
                 "------------|------|\n");
    for (size_t i = 0; i < registry_count(); i++) {
        const struct format *format = registry_at(i);
        (void)printf(layout, format->name, format->can.reads ? "yes" : "no", format->can.writes ? "yes" : "no", bits_text(format, bits, sizeof bits),
                     groups_text(format, groups), zeros_text(format), order_text(format), scales_text(format, scales), format->title);
    }
}

static bool holds_activations(const struct format *format)
{
    for (size_t f = 0; f < format->form_count; f++)
        if (format->form[f].activation != ACTIVATION_NONE)
            return true;
    return false;
}

static void emit_format(struct emit *emit, const struct format *format)
{
    static const enum dtype order[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F32};
    emit_object(emit, NULL, false);
    emit_string(emit, "name", format->name);
    emit_string(emit, "title", format->title);
    emit_bool(emit, "read", format->can.reads);
    emit_bool(emit, "write", format->can.writes);
    emit_array(emit, "bits", true);
    for (unsigned b = 1; b <= 8; b++)
        if (registry_widths(format) >> b & 1)
            emit_u64(emit, NULL, b);
    emit_end(emit, ']');
    emit_string(emit, "grid", spec_grid_name(format->can.grid));
    emit_bool(emit, "asymmetric", holds_codes(format) && registry_asymmetric(format));
    emit_bool(emit, "zero_at_zero", format->can.zero_at_zero);
    emit_bool(emit, "act_order", format->can.act_order);
    emit_bool(emit, "mixed", holds_codes(format) && format->can.groups == GROUPS_EACH);
    emit_array(emit, "group_sizes", true);
    for (const uint16_t *size = format->can.group_size; size != NULL && *size != 0; size++)
        emit_u64(emit, NULL, *size);
    emit_end(emit, ']');
    emit_bool(emit, "activations", holds_activations(format));
    emit_array(emit, "scale_dtypes", true);
    for (size_t d = 0; d < sizeof order / sizeof order[0]; d++)
        if (format->can.scale_dtypes >> order[d] & 1)
            emit_string(emit, NULL, dtype_name(order[d]));
    emit_end(emit, ']');
    emit_end(emit, '}');
}

/* --- one pair ------------------------------------------------------------------------------------------------------------------ */

/* Conditions and the class of a pair, derived from both capability rows and tables of forms. */
#define CONDITIONS_MAX 16
struct pair_text {
    const char *class_name;
    size_t count;
    char condition[CONDITIONS_MAX][240];
};

static void condition(struct pair_text *pair, const char *format, ...) PRINTF_LIKE(2, 3);
static void condition(struct pair_text *pair, const char *format, ...)
{
    va_list arguments;
    if (pair->count == CONDITIONS_MAX)
        return;
    va_start(arguments, format);
    (void)vsnprintf(pair->condition[pair->count++], sizeof pair->condition[0], format, arguments);
    va_end(arguments);
}

/* `to` holds the codes of a form of small floats: those of 4 bits are stored as bytes or words of the same bytes. */
static bool holds_floats(const struct format *to, const struct form *own)
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
        if (own->grid == GRID_MINIFLOAT && holds_floats(to, own))
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
static void describe_small_floats(const struct format *from, const struct format *to, struct pair_text *pair)
{
    for (size_t f = 0; f < from->form_count; f++) {
        const struct form *own = &from->form[f];
        if (own->grid != GRID_MINIFLOAT || own->activation != ACTIVATION_NONE)
            continue;
        if (holds_floats(to, own))
            condition(pair, "%s: bytes, codes and scales only move", own->name);
        else if (!are_integers(own, to))
            condition(pair, "%s: it has no place (R-FP8)", own->name);
        if (are_integers(own, to))
            condition(pair, "%s with --bits 8: exact, as integers in groups of 32 (R-SCALE where the scales' dtype does not hold 2^(e-128))", own->name);
    }
}

/* Pairs in which one side holds floats, or no codes that can be moved. */
static void describe_floats(const struct format *from, const struct format *to, struct pair_text *pair)
{
    if (from->can.grid == GRID_DENSE && to->can.grid == GRID_DENSE) {
        pair->class_name = "bytes";
        condition(pair, "float tensors keep their dtype; --dtype casts them (exact or rounded)");
    } else if (to->can.grid == GRID_DENSE) {
        pair->class_name = "exact";
        condition(pair, "where every value is representable in the dtype that is written, else rounded (--exact refuses)");
    } else if (from->can.grid == GRID_DENSE) {
        pair->class_name = "lossy";
        condition(pair, "--bits asks for it: the Linear layers of the decoder blocks are rounded to nearest");
    } else if (from->can.stacks && !to->can.stacks) {
        pair->class_name = "none";
        condition(pair, "%s: the target holds no stacks (R-EXPERTS); --to hf dequantizes", from->title);
    } else if (shared_form(from, to) != NULL) {
        const bool moves = shared_form(from, to)->grid == GRID_MINIFLOAT;
        pair->class_name = moves ? "bytes" : "rounded";
        condition(pair, moves ? "codes and scales only move" : "%s: codes are exact, and a scale is a product, rounded in F32 (--exact refuses)",
                  shared_form(from, to)->name);
        if (!moves)
            condition(pair, "other forms lie on no integer grid (R-CODEBOOK); --to hf dequantizes");
    } else {
        pair->class_name = "none";
        condition(pair, "%s: no integer grid holds the values (%s); --to hf dequantizes", from->title,
                  from->can.grid == GRID_CODEBOOK ? "R-CODEBOOK" : "R-FP8");
    }
}

static void describe_zeros(const struct format *from, const struct format *to, struct pair_text *pair)
{
    if (!registry_asymmetric(from))
        return;
    if (to->can.grid == GRID_AFFINE_BETA && from->can.grid == GRID_AFFINE_BETA)
        return;
    if (to->can.grid == GRID_AFFINE_BETA)
        condition(pair, "-zero * scale is exact in the scales' dtype: always for symmetric weights, else with --dtype f32 (R-BIAS)");
    else if (from->can.grid == GRID_AFFINE_BETA)
        condition(pair, "-bias / scale of every group is an integer that the target holds (R-RANGE)");
    else if (to->form[0].asymmetric == ZERO_OFFSET)
        condition(pair, "every zero of a live group is an integer (R-RANGE)");
    else
        condition(pair, to->can.zero_at_zero ? "every zero of a live group is an integer in 0..2^bits-1 (R-RANGE)"
                                             : "every zero of a live group is an integer in 1..2^bits-1 (R-RANGE, R-ZERO-V1)");
}

static void describe_groups(const struct format *from, const struct format *to, struct pair_text *pair)
{
    if (from->can.act_order && !to->can.act_order)
        condition(pair, "groups are in order: g_idx[k] = k / group_size (R-ACTORDER)");
    if (to->can.group_size != NULL) {
        char sizes[48];
        condition(pair, "groups are refined to the largest size that divides all, of %s (R-GROUP)", groups_text(to, sizes));
    } else if (from->can.groups != GROUPS_SHARED && to->can.groups != GROUPS_EACH) {
        condition(pair, "several group sizes are refined to the largest that divides all");
    }
}

static void describe_shapes(const struct format *to, struct pair_text *pair)
{
    for (size_t f = 0; f < to->form_count; f++) {
        const struct form *form = &to->form[f];
        const struct layout *codes = layout_row(form->codes), *zeros = layout_row(form->zeros);
        if (form->activation != ACTIVATION_NONE || codes->tail != TAIL_WHOLE || form->variant == VARIANT_UNPACKED)
            continue;
        const uint64_t of_zeros = form->asymmetric == ZERO_CODES ? layout_align(zeros, AXIS_OUT) : 1, of_codes = layout_align(codes, AXIS_OUT);
        const uint64_t out = of_codes > of_zeros ? of_codes : of_zeros, in = layout_align(codes, AXIS_IN);
        if (out > 1 || in > 1)
            condition(pair, "out_features is a multiple of %llu and in_features of %llu (R-SHAPE, %s)", (unsigned long long)out, (unsigned long long)in,
                      form->name);
    }
}

static void describe_pair(const struct format *from, const struct format *to, struct pair_text *pair)
{
    char bits[64];
    if (!to->can.writes || !from->can.reads) {
        pair->class_name = "none";
        condition(pair, !to->can.writes ? "the target is not written by this version" : "the source is not read by this version");
        return;
    }
    if (!holds_codes(from) || !holds_codes(to)) {
        describe_floats(from, to, pair);
        return;
    }
    const bool scales = (from->can.scale_dtypes & ~to->can.scale_dtypes) == 0;
    const bool zeros =
        from->form[0].asymmetric == to->form[0].asymmetric && from->form[0].symmetric == to->form[0].symmetric && from->zero_rule == to->zero_rule;
    pair->class_name = !scales ? "rounded" : zeros ? "bytes" : "exact";
    if (!scales)
        condition(pair, "scales are rounded to F16 where they are not exact in it (--exact refuses); codes and zeros are exact");
    if ((registry_widths(from) & ~registry_widths(to)) != 0)
        condition(pair, "codes of %s bits (R-BITS)", registry_bits(to, bits, sizeof bits));
    describe_zeros(from, to, pair);
    describe_groups(from, to, pair);
    if (holds_activations(from) && !holds_activations(to))
        condition(pair, "activation parameters (W8A8) are dropped, with --weights-only (R-ACTPARAM)");
    describe_shapes(to, pair);
    describe_small_floats(from, to, pair);
    if (from->can.stacks && !to->can.stacks)
        condition(pair, "no stacks of experts (R-EXPERTS)");
}

static enum status find(const char *name, const char *option, const struct format **format, struct err *err)
{
    char names[200];
    *format = name == NULL ? NULL : registry_find(name);
    if (*format != NULL)
        return STATUS_OK;
    if (name == NULL)
        (void)err_set(err, STATUS_USAGE, option, "found no %s, expected --from and --to together", option);
    else
        (void)err_set(err, STATUS_USAGE, option, "found \"%s\", expected a format", name);
    return err_try(err, "one of: %s", registry_names(false, names, sizeof names));
}

static void print_pair(const struct format *from, const struct format *to, const struct pair_text *pair, bool json)
{
    if (!json) {
        (void)printf("%s -> %s: %s\n", from->name, to->name, pair->class_name);
        for (size_t i = 0; i < pair->count; i++)
            (void)printf("  %s\n", pair->condition[i]);
        return;
    }
    struct emit emit = {.out = stdout};
    emit_object(&emit, NULL, false);
    emit_string(&emit, "from", from->name);
    emit_string(&emit, "to", to->name);
    emit_string(&emit, "class", pair->class_name);
    emit_array(&emit, "conditions", false);
    for (size_t i = 0; i < pair->count; i++)
        emit_string(&emit, NULL, pair->condition[i]);
    emit_end(&emit, ']');
    emit_end(&emit, '}');
}

enum status command_formats(struct session *session, int argc, char **argv, struct err *err)
{
    (void)session;
    struct formats_options options = {0};
    const struct argument rows[] = FORMATS_ROWS(&options);
    size_t places;
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], NULL, 0, "repaq formats [--from A --to B] [--json]", false};
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (options.from != NULL || options.to != NULL) {
        const struct format *from, *to;
        struct pair_text pair = {0};
        TRY(find(options.from, "--from", &from, err));
        TRY(find(options.to, "--to", &to, err));
        describe_pair(from, to, &pair);
        print_pair(from, to, &pair, options.json);
        return STATUS_OK;
    }
    if (!options.json) {
        print_matrix();
        return STATUS_OK;
    }
    struct emit emit = {.out = stdout};
    emit_object(&emit, NULL, false);
    emit_array(&emit, "formats", false);
    for (size_t i = 0; i < registry_count(); i++)
        emit_format(&emit, registry_at(i));
    emit_end(&emit, ']');
    emit_end(&emit, '}');
    return STATUS_OK;
}
