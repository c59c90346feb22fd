#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/emit.h"
#include "cli/exchange.h"
#include "codec/ggml_embed.h"

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

static const char *zeros_text(const struct format *format)
{
    if (format->can.blocks)
        return "by type";
    if (!exchange_holds_codes(format))
        return "-";
    if (format->can.grid == GRID_AFFINE_BETA)
        return "as biases";
    if (!registry_asymmetric(format))
        return "symmetric";
    return format->can.zero_at_zero ? "any" : "not 0";
}

static const char *groups_text(const struct format *format, char buffer[48])
{
    char sizes[32];
    if (!format->can.blocks)
        return exchange_holds_codes(format) ? exchange_groups(format, buffer) : "-";
    (void)snprintf(buffer, 48, "blocks of %s", exchange_blocks_sizes(sizes));
    return buffer;
}

static const char *order_text(const struct format *format)
{
    return format->can.blocks ? "no" : !exchange_holds_codes(format) ? "-" : format->can.act_order ? "yes" : "no";
}

static uint32_t widths_of(const struct format *format)
{
    return format->can.blocks ? exchange_blocks_widths() : registry_widths(format);
}

static const char *bits_text(const struct format *format, char *buffer, size_t size)
{
    size_t used = 0;
    for (unsigned b = 1; b <= 8 && used < size; b++)
        if (widths_of(format) >> b & 1)
            used += (size_t)snprintf(buffer + used, size - used, "%s%u", used == 0 ? "" : ", ", b);
    if (used == 0 || (format->can.blocks && used < size))
        (void)snprintf(buffer + used, size - used, "%sfloat", used == 0 ? "" : ", ");
    return buffer;
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
    static const char layout[] = "| %-18s | %-4s | %-5s | %-23s | %-28s | %-9s | %-9s | %-14s | %s |\n";
    char bits[64], scales[32], groups[48];
    (void)printf(layout, "format", "read", "write", "bits", "groups", "zeros", "act-order", "scales", "what");
    (void)printf("|--------------------|------|-------|-------------------------|------------------------------|-----------|-----------|----"
                 "------------|------|\n");
    for (size_t i = 0; i < registry_count(); i++) {
        const struct format *format = registry_at(i);
        (void)printf(layout, format->name, format->can.reads ? "yes" : "no", format->can.writes ? "yes" : "no", bits_text(format, bits, sizeof bits),
                     groups_text(format, groups), zeros_text(format), order_text(format), scales_text(format, scales), format->title);
    }
}

/* What each block type holds of codes as they are, in the order in which they are tried. */
static void emit_blocks(struct emit *emit, const struct format *format)
{
    static const char *const how[] = {[GGML_EMBED_RANGE] = "range", [GGML_EMBED_MINIMUM] = "minimum", [GGML_EMBED_ZERO] = "zero"};
    emit_array(emit, "blocks", !format->can.blocks);
    const struct ggml_embed_holder *holder;
    for (size_t h = 0; format->can.blocks && (holder = ggml_embed_holder_at(h)) != NULL; h++) {
        emit_object(emit, NULL, true);
        emit_string(emit, "type", ggml_name(holder->type));
        emit_u64(emit, "bits", holder->bits);
        emit_u64(emit, "columns", ggml_block_elements(holder->type));
        emit_string(emit, "by", how[holder->how]);
        emit_i64(emit, "low", holder->low);
        emit_i64(emit, "high", holder->high);
        emit_end(emit, '}');
    }
    emit_end(emit, ']');
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
        if (widths_of(format) >> b & 1)
            emit_u64(emit, NULL, b);
    emit_end(emit, ']');
    emit_string(emit, "grid", spec_grid_name(format->can.grid));
    emit_bool(emit, "asymmetric", format->can.blocks || (exchange_holds_codes(format) && registry_asymmetric(format)));
    emit_bool(emit, "zero_at_zero", format->can.blocks || format->can.zero_at_zero);
    emit_bool(emit, "act_order", format->can.act_order);
    emit_bool(emit, "mixed", (format->can.blocks || exchange_holds_codes(format)) && format->can.groups == GROUPS_EACH);
    emit_array(emit, "group_sizes", true);
    for (const uint16_t *size = format->can.group_size; size != NULL && *size != 0; size++)
        emit_u64(emit, NULL, *size);
    emit_end(emit, ']');
    emit_blocks(emit, format);
    emit_bool(emit, "activations", exchange_holds_activations(format));
    emit_array(emit, "scale_dtypes", true);
    for (size_t d = 0; d < sizeof order / sizeof order[0]; d++)
        if (format->can.scale_dtypes >> order[d] & 1)
            emit_string(emit, NULL, dtype_name(order[d]));
    emit_end(emit, ']');
    emit_end(emit, '}');
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

static void print_pair(const struct format *from, const struct format *to, const struct exchange *pair, bool json)
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
        struct exchange pair = {0};
        TRY(find(options.from, "--from", &from, err));
        TRY(find(options.to, "--to", &to, err));
        exchange_describe(from, to, &pair);
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
