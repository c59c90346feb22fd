#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/emit.h"
#include "formats/registry.h"

#include <stdio.h>
#include <string.h>

struct formats_options {
    const char *from, *to;
    bool json;
};

#define FORMATS_ROWS(o) \
    { \
        {"--from", ARGUMENT_STRING, &(o)->from, "A", "with --to: the exactness of one pair and its conditions"}, \
        {"--to", ARGUMENT_STRING, &(o)->to, "B", ""}, \
        {"--json", ARGUMENT_FLAG, &(o)->json, NULL, "the table as one JSON object on stdout"}, \
    }

void command_formats_help(void)
{
    struct formats_options options;
    const struct argument rows[] = FORMATS_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

/* --- the matrix --------------------------------------------------------------------------------------------------------------- */

static const char *zeros_text(const struct format *format)
{
    if (format->width_count == 0)
        return "-";
    if (!format->can.asymmetric)
        return "symmetric";
    return format->can.zero_at_zero ? "any" : "not 0";
}

static const char *groups_text(const struct format *format)
{
    return format->width_count == 0 ? "-" : format->can.mixed ? "any, per weight" : "any, one for all";
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
    char bits[64], scales[32];
    (void)printf("| %-11s | %-4s | %-5s | %-5s | %-15s | %-5s | %-9s | %-14s | %s |\n", "format", "read", "write", "bits", "groups", "zeros", "act-order",
                 "scales", "what");
    (void)printf("|-------------|------|-------|-------|-----------------|-------|-----------|----------------|------|\n");
    for (size_t i = 0; i < registry_count(); i++) {
        const struct format *format = registry_at(i);
        (void)printf("| %-11s | %-4s | %-5s | %-5s | %-15s | %-5s | %-9s | %-14s | %s |\n", format->name, format->can.reads ? "yes" : "no",
                     format->can.writes ? "yes" : "no", format->width_count == 0 ? "float" : registry_bits(format, bits, sizeof bits), groups_text(format),
                     zeros_text(format), format->width_count == 0 ? "-" : format->can.act_order ? "yes" : "no", scales_text(format, scales), format->title);
    }
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
    for (size_t w = 0; w < format->width_count; w++)
        emit_u64(emit, NULL, format->width[w].bits);
    emit_end(emit, ']');
    emit_bool(emit, "asymmetric", format->can.asymmetric);
    emit_bool(emit, "zero_at_zero", format->can.zero_at_zero);
    emit_bool(emit, "act_order", format->can.act_order);
    emit_bool(emit, "mixed", format->can.mixed);
    emit_array(emit, "scale_dtypes", true);
    for (size_t d = 0; d < sizeof order / sizeof order[0]; d++)
        if (format->can.scale_dtypes >> order[d] & 1)
            emit_string(emit, NULL, dtype_name(order[d]));
    emit_end(emit, ']');
    emit_end(emit, '}');
}

/* --- one pair ------------------------------------------------------------------------------------------------------------------ */

/* Conditions and the class of a pair, derived from both capability rows. */
struct pair_text {
    const char *class_name;
    const char *condition[12];
    size_t count;
    char buffer[12][160];
};

static void condition(struct pair_text *pair, const char *text)
{
    if (pair->count < sizeof pair->condition / sizeof pair->condition[0])
        pair->condition[pair->count++] = text;
}

static bool same_widths(const struct format *from, const struct format *to)
{
    for (size_t i = 0; i < from->width_count; i++)
        if (registry_width(to, from->width[i].bits) == NULL)
            return false;
    return true;
}

static void describe_pair(const struct format *from, const struct format *to, struct pair_text *pair)
{
    char bits[64];
    pair->class_name = "none";
    if (!to->can.writes || !from->can.reads) {
        condition(pair, !to->can.writes ? "the target is not written by this version" : "the source is not read by this version");
        return;
    }
    if (from->width_count == 0 || to->width_count == 0) {
        const bool floats = from->width_count == to->width_count;
        pair->class_name = floats ? "bytes" : "none";
        condition(pair, floats ? "float tensors keep their dtype; --dtype casts them (exact or rounded)"
                               : from->width_count == 0 ? "this version does not quantize" : "this version does not dequantize");
        return;
    }
    const bool scales = (from->can.scale_dtypes & ~to->can.scale_dtypes) == 0;
    const bool moved = from->zero_rule == to->zero_rule && from->param_order == to->param_order && scales;
    pair->class_name = moved ? "bytes" : scales ? "exact" : "rounded";
    if (!scales)
        condition(pair, "scales are rounded to F16 where they are not exact in it (--exact refuses); codes and zeros are exact");
    if (!same_widths(from, to)) {
        (void)snprintf(pair->buffer[pair->count], sizeof pair->buffer[0], "codes of %s bits (R-BITS)", registry_bits(to, bits, sizeof bits));
        condition(pair, pair->buffer[pair->count]);
    }
    if (from->can.asymmetric)
        condition(pair, to->can.zero_at_zero ? "every zero of a live group is an integer in 0..2^bits-1 (R-RANGE)"
                                             : "every zero of a live group is an integer in 1..2^bits-1 (R-RANGE, R-ZERO-V1)");
    if (from->can.act_order && !to->can.act_order)
        condition(pair, "groups are in order: g_idx[k] = k / group_size (R-ACTORDER)");
    if (from->can.mixed && !to->can.mixed)
        condition(pair, "several group sizes are refined to the largest that divides all");
    const struct layout *zeros = layout_row(to->width[0].zeros), *codes = layout_row(to->width[0].codes);
    (void)snprintf(pair->buffer[pair->count], sizeof pair->buffer[0], "out_features is a multiple of %llu and in_features of %llu (R-SHAPE, at %u bits)",
                   (unsigned long long)layout_run(zeros), (unsigned long long)(codes->pack == AXIS_IN ? layout_run(codes) : 1), to->width[0].bits);
    condition(pair, pair->buffer[pair->count]);
}

static enum status find(const char *name, const char *option, const struct format **format, struct err *err)
{
    char names[200];
    *format = name == NULL ? NULL : registry_find(name);
    if (*format != NULL)
        return STATUS_OK;
    (void)err_set(err, STATUS_USAGE, option, "found \"%s\", expected a format", name == NULL ? "" : name);
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
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], NULL, 0, "repaq formats [--from A --to B] [--json]"};
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
