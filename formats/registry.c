/* The registry: formats.def made into a table, and the choice among bids. */
#include "formats/registry.h"

#include <stdio.h>
#include <string.h>

static const struct format *const registry_table[] = {
#define X(symbol) &symbol##_format,
#include "formats/formats.def"
#undef X
};

size_t registry_count(void)
{
    return sizeof registry_table / sizeof registry_table[0];
}

const struct format *registry_at(size_t index)
{
    return registry_table[index];
}

const struct format *registry_find(const char *name)
{
    for (size_t i = 0; i < registry_count(); i++)
        if (strcmp(registry_table[i]->name, name) == 0)
            return registry_table[i];
    return NULL;
}

const char *registry_names(bool written, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < registry_count() && used < size; i++)
        if (!written || registry_table[i]->can.writes)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used == 0 ? "" : ", ", registry_table[i]->name);
    return buffer;
}

/* A quantization_config that names no method: --from must say whose it is. */
static enum status nobody_is_named(const struct source *source, struct err *err)
{
    char names[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < registry_count() && used < sizeof names; i++) {
        struct bid offer = {0};
        registry_table[i]->probe(source, &offer);
        if (offer.score > 0)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s--from %s", used == 0 ? "" : " or ", registry_table[i]->name);
    }
    (void)err_set(err, STATUS_CORRUPT, "config.json", "found a quantization_config without \"quant_method\", expected one that says whose the weights are");
    return err_try(err, "%s, or add the member", names);
}

static enum status nobody_bids(const struct source *source, struct err *err)
{
    const char *method = jsondoc_string(jsondoc_get(source_quantization(source), "quant_method"));
    if (method != NULL)
        (void)err_set(err, STATUS_UNSUPPORTED, source->path, "found quant_method \"%s\" in config.json, which this version does not read", method);
    else
        (void)err_set(err, STATUS_UNSUPPORTED, source->path, "found weights, but no description that a format recognises");
    char names[200];
    return err_try(err, "formats that are read: %s", registry_names(false, names, sizeof names));
}

enum status registry_choose(const struct source *source, const char *from, const struct format **format, struct bid *bid, struct err *err)
{
    *format = NULL;
    *bid = (struct bid){0};
    for (size_t i = 0; i < registry_count(); i++) {
        struct bid offer = {0};
        registry_table[i]->probe(source, &offer);
        if (from != NULL && strcmp(from, registry_table[i]->name) == 0 && offer.score <= 0) {
            (void)err_set(err, STATUS_USAGE, source->path, "found nothing of the format %s that --from names", from);
            return err_try(err, "leave --from out, or see: repaq inspect %s", source->path);
        }
        const bool chosen = from != NULL ? strcmp(from, registry_table[i]->name) == 0 : offer.score > bid->score;
        if (chosen) {
            *format = registry_table[i];
            *bid = offer;
        }
    }
    if (*format == NULL && from != NULL) {
        char names[200];
        (void)err_set(err, STATUS_USAGE, "--from", "found \"%s\", expected a format", from);
        return err_try(err, "one of: %s", registry_names(false, names, sizeof names));
    }
    if (from == NULL && *format != NULL && bid->score <= BID_ASKED)
        return nobody_is_named(source, err);
    return *format == NULL ? nobody_bids(source, err) : STATUS_OK;
}

enum status registry_read(struct source *source, const char *from, struct read_options options, struct model *model, struct bid *bid,
                          struct err *err)
{
    /* A description named by hand says what it is, wherever it lies. */
    const struct format *format = options.description != NULL && from != NULL ? registry_find(from) : NULL;
    if (format != NULL)
        (void)snprintf(bid->evidence, sizeof bid->evidence, "described by %.150s", options.description);
    else
        TRY(registry_choose(source, from, &format, bid, err));
    options.format_forced = from != NULL;
    model->format = format->name;
    TRY(format->read(source, &options, model, err));
    for (size_t w = 0; options.format_forced && w < model->weight_count; w++)
        model->weight[w].claim = CLAIM_NONE; /* the user says how the zeros are stored, whatever the file claims of them */
    model_sort_weights(model);
    return STATUS_OK;
}

const struct form *registry_form(const struct format *format, const struct want *want)
{
    for (size_t i = 0; i < format->form_count; i++) {
        const struct form *form = &format->form[i];
        const bool spans = form->span == SPAN_ANY || (form->span == SPAN_CHANNEL) == want->per_channel;
        const bool packs = form->variant == VARIANT_ANY || form->variant == (want->variant == VARIANT_ANY ? VARIANT_PACKED : want->variant);
        const bool floats = form->grid == GRID_MINIFLOAT;
        if (form->bits == want->bits && form->activation == want->activation && spans && packs && floats == (want->grid == GRID_MINIFLOAT))
            return form;
    }
    return NULL;
}

bool registry_asymmetric(const struct format *format)
{
    for (size_t i = 0; i < format->form_count; i++)
        if (format->form[i].asymmetric != ZERO_NEVER)
            return true;
    return false;
}

uint32_t registry_widths(const struct format *format)
{
    uint32_t widths = 0;
    for (size_t i = 0; i < format->form_count; i++)
        if (format->form[i].activation == ACTIVATION_NONE && (format->form[i].grid != GRID_MINIFLOAT || format->can.grid == GRID_MINIFLOAT))
            widths |= 1u << format->form[i].bits;
    return widths;
}

const char *registry_bits(const struct format *format, char *buffer, size_t size)
{
    const uint32_t widths = registry_widths(format);
    size_t used = 0;
    buffer[0] = '\0';
    for (unsigned bits = 1; bits <= 8 && used < size; bits++)
        if (widths >> bits & 1)
            used += (size_t)snprintf(buffer + used, size - used, "%s%u", used == 0 ? "" : ", ", bits);
    return buffer;
}
