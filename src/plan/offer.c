#include "plan/offer.h"

#include "base/checked.h"
#include "plan/aim.h"
#include "plan/recode.h"

#include <stdio.h>
#include <string.h>

#define OFFERS_MAX 16
#define FINITE_EXPONENTS 252 /* from this E8M0 byte on MXFP4 has values that are infinite in F32, or none */

/* --- one weight in one format --------------------------------------------------------------------------------------------------- */

/* The group size that the weight gets there: its own, or the largest divisor that format and engine have. 0: none. */
static uint64_t group_in(const struct format *format, const struct constraints *limits, const struct weight *weight, bool trivial)
{
    const uint16_t *held = format->can.group_size;
    const uint64_t own = weight->spec.group;
    bool fits = limits == NULL || constraints_group_fits(limits, own, weight->groups == 1);
    for (const uint16_t *size = held; fits && size != NULL && *size != own; size++)
        if (*size == 0)
            fits = false;
    if (fits || !trivial || weight->in % own != 0)
        return fits ? own : 0;
    for (uint64_t size = UINT64_C(1) << 15; size >= 16; size /= 2) {
        bool listed = held == NULL;
        for (const uint16_t *at = held; !listed && at != NULL && *at != 0; at++)
            listed = *at == size;
        if (listed && own % size == 0 && (limits == NULL || constraints_group_fits(limits, size, false)))
            return size;
    }
    return 0;
}

static bool holds_zeros(const struct format *format, const struct form *form, const struct weight *weight, const struct group_tally *groups, unsigned bits)
{
    const int64_t add = (INT64_C(1) << (bits - 1)) - (INT64_C(1) << (weight->spec.bits - 1)), most = (INT64_C(1) << bits) - 1;
    const bool asymmetric = groups->not_mid + groups->fractions > 0;
    const enum zero_kind kind = asymmetric ? form->asymmetric : form->symmetric;
    const bool live = groups->zero_min <= groups->zero_max;
    if (asymmetric && kind == weight->spec.zero_kind && bits == weight->spec.bits && (kind == ZERO_BETA || kind == ZERO_OFFSET))
        return true; /* floats that move */
    if (groups->fractions > 0)
        return false;
    switch (kind) {
    case ZERO_CODES:
        return !live || (groups->zero_min + add >= (format->can.zero_at_zero ? 0 : 1) && groups->zero_max + add <= most);
    case ZERO_OFFSET:
        return !live || (groups->zero_min >= -128 && groups->zero_max <= 256);
    case ZERO_BETA: /* others may be rounded */
    case ZERO_MID:
        return !asymmetric;
    default:
        return false;
    }
}

static bool fills_words(const struct format *format, const struct form *form, const struct weight *weight, uint64_t group, bool fields)
{
    uint64_t rows, row_bytes;
    return layout_size(layout_row(form->codes), weight->out, weight->in, &rows, &row_bytes) &&
           (!fields || layout_size(layout_row(form->zeros), weight->out, checked_div_up(weight->in, group), &rows, &row_bytes)) &&
           (format->can.short_group || weight->in % group == 0);
}

/* MXFP4: its bytes, or integers of more bits. */
static bool holds_mxfp4(const struct format *format, const struct constraints *limits, const struct weight *weight, const struct survey_weight *seen,
                        unsigned bits)
{
    const struct options plain = {.dtype = DTYPE_NONE};
    const struct spec *own = &weight->spec;
    const bool moves = bits == own->bits;
    const struct want want = {
        .bits = bits, .activation = own->activation, .per_channel = weight->groups == 1, .grid = moves ? GRID_MINIFLOAT : GRID_AFFINE_ZERO};
    const struct form *form = registry_form(format, &want);
    const struct spec spec = {.bits = (uint8_t)bits, .group = own->group, .scale_dtype = aim_scale_dtype(format, &plain, DTYPE_BF16)};
    const struct constraints_facts facts = {.asymmetric = false};
    if (form == NULL || constraints_check(limits, weight, &spec, &facts, NULL) != STATUS_OK)
        return false;
    if (moves)
        return (own->experts == 0 || format->can.stacks) && (limits == NULL || !limits->no_mxfp4);
    return recode_holds(format, weight, seen, &plain, bits) && fills_words(format, form, weight, own->group, form->symmetric == ZERO_CODES);
}

bool offer_holds(const struct format *format, const struct constraints *limits, const struct weight *weight, const struct survey_weight *seen,
                 unsigned bits)
{
    const struct options plain = {.dtype = DTYPE_NONE};
    const struct spec *own = &weight->spec;
    if (format->form_count == 0)
        return !own->switched && seen->exponent_max < FINITE_EXPONENTS;
    if (own->grid == GRID_MINIFLOAT && own->scale_dtype == DTYPE_F8_E8M0)
        return holds_mxfp4(format, limits, weight, seen, bits);
    if ((own->grid != GRID_AFFINE_ZERO && own->grid != GRID_AFFINE_BETA) || own->experts > 0 || own->bits == 0)
        return false;
    const uint64_t group = group_in(format, limits, weight, seen->trivial_group_of);
    const struct want want = {.bits = bits, .activation = own->activation, .per_channel = group >= weight->in};
    const struct form *form = group == 0 ? NULL : registry_form(format, &want);
    if (form == NULL || (!seen->trivial_group_of && (!format->can.act_order || (seen->uneven_group_of && format->can.even_groups))))
        return false;
    if (!holds_zeros(format, form, weight, &seen->groups, bits))
        return false;
    const bool asymmetric = seen->groups.not_mid > 0;
    if (!fills_words(format, form, weight, group, (asymmetric ? form->asymmetric : form->symmetric) == ZERO_CODES))
        return false;
    const int64_t add = (INT64_C(1) << (bits - 1)) - (INT64_C(1) << (own->bits - 1));
    const struct spec spec = {
        .bits = (uint8_t)bits, .group = group, .activation = own->activation, .scale_dtype = aim_scale_dtype(format, &plain, own->scale_dtype)};
    const struct constraints_facts facts = {.asymmetric = asymmetric,
                                            .zero_at_zero = seen->groups.zero_min <= seen->groups.zero_max && seen->groups.zero_min + add == 0,
                                            .negative_scales = seen->groups.negative > 0,
                                            .act_order = !seen->trivial_group_of};
    return constraints_check(limits, weight, &spec, &facts, NULL) == STATUS_OK;
}

bool offer_rounds(const struct format *format, const struct constraints *limits, const struct weight *weight, unsigned bits)
{
    const int64_t usual = constraints_default_group(limits, format->can.group_size, format->can.grid == GRID_AFFINE_BETA ? 64 : 128);
    const uint64_t group = usual == -1 || (uint64_t)usual > weight->in ? weight->in : (uint64_t)usual;
    const struct want want = {.bits = bits, .per_channel = group >= weight->in};
    const struct form *form = registry_form(format, &want);
    const struct spec spec = {.bits = (uint8_t)bits, .group = group, .scale_dtype = DTYPE_F16};
    const struct constraints_facts plain = {.asymmetric = false};
    return form != NULL && fills_words(format, form, weight, group, form->symmetric == ZERO_CODES) &&
           constraints_check(limits, weight, &spec, &plain, NULL) == STATUS_OK;
}

/* --- all of them ------------------------------------------------------------------------------------------------------------------ */

/* What the engine takes of a format; *taken says whether it loads it at all. */
static const struct constraints *limits_of(const struct constraints *engine, const char *format, bool *taken)
{
    *taken = engine == NULL;
    for (size_t i = 0; engine != NULL && i < engine->other_count; i++) {
        if (strcmp(engine->other[i].format, format) != 0)
            continue;
        *taken = true;
        return &engine->other[i];
    }
    return NULL;
}

/* bits 0: each weight's own. */
static bool holds_all(const struct offer *offer, const struct format *format, unsigned bits)
{
    bool taken;
    const struct constraints *limits = limits_of(offer->engine, format->name, &taken);
    if (!taken || !format->can.writes || format->arranged || (offer->except != NULL && strcmp(offer->except, format->name) == 0))
        return false;
    const struct weight *first = &offer->model->weight[offer->first];
    const bool uniform = limits != NULL && limits->no_rules && format->form_count > 0;
    if (uniform && offer->float_layers)
        return false;
    for (size_t w = offer->first; w < offer->first + offer->count; w++) {
        const struct weight *weight = &offer->model->weight[w];
        if (uniform && (weight->spec.bits != first->spec.bits || (weight->groups > 1 && weight->spec.group != first->spec.group)))
            return false;
        const unsigned width = bits == 0 ? weight->spec.bits : bits;
        const bool widths = format->can.mixed_bits || format->form_count == 0 || weight->spec.bits == first->spec.bits;
        if (width < weight->spec.bits || !widths || !offer_holds(format, limits, weight, &offer->survey->weight[w], width))
            return false;
    }
    return true;
}

/* Those that hold the codes, floats last. Returns how many. */
static size_t list(const struct offer *offer, const struct format *found[OFFERS_MAX])
{
    size_t count = 0;
    for (int floats = 0; floats < 2; floats++)
        for (size_t f = 0; f < registry_count() && count < OFFERS_MAX; f++)
            if ((registry_at(f)->form_count == 0) == (floats == 1) && holds_all(offer, registry_at(f), 0))
                found[count++] = registry_at(f);
    return count;
}

/* The first format of integers that holds all at 8 bits, where that is more than they have. */
static const struct format *wider(const struct offer *offer)
{
    struct offer any = *offer;
    any.except = NULL; /* --bits makes the one that was asked for another one */
    for (size_t f = 0; f < registry_count(); f++)
        if (registry_at(f)->form_count > 0 && holds_all(&any, registry_at(f), 8))
            return registry_at(f);
    return NULL;
}

const char *offer_text(const struct offer *offer, char *buffer, size_t size)
{
    const struct format *found[OFFERS_MAX];
    const size_t count = list(offer, found);
    const struct format *wide = count > 0 && found[0]->form_count > 0 ? NULL : wider(offer);
    size_t used = 0;
    buffer[0] = '\0';
    if (wide != NULL)
        used = (size_t)snprintf(buffer, size, "--to %s --bits 8, a wider container that is exact%s", wide->name, count > 0 ? ", or " : "");
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i == 0 ? "--to " : i + 1 == count ? " or " : ", ", found[i]->name);
    return used == 0 ? NULL : buffer;
}

const char *offer_first(const struct offer *offer, char *buffer, size_t size)
{
    const struct format *found[OFFERS_MAX];
    const size_t count = list(offer, found);
    const struct format *wide = count > 0 && found[0]->form_count > 0 ? NULL : wider(offer);
    if (wide == NULL && count == 0)
        return NULL;
    (void)snprintf(buffer, size, "--to %s%s", wide != NULL ? wide->name : found[0]->name, wide != NULL ? " --bits 8" : "");
    return buffer;
}

/* --- engines ---------------------------------------------------------------------------------------------------------------------- */

/* What keeps a layer out of the codes, where the engine can be told of it. */
static const char *keep_text(const struct constraints *limits)
{
    return limits->no_rules ? "" : "--keep with its name leaves the layer float";
}

/* The least width from `bits` on that format and engine have, else their widest; 0: none. */
static unsigned width_in(const struct format *format, const struct constraints *limits, unsigned bits)
{
    unsigned best = 0;
    for (unsigned b = 2; b <= 8; b++)
        if ((registry_widths(format) >> b & 1) != 0 && (limits->bits == 0 || (limits->bits >> b & 1) != 0) && (best < bits || best == 0))
            best = b;
    return best;
}

/* Rounding is the user's to choose: another width, group size, or format of the engine. */
static enum status offer_rounding(const struct offer *offer, const struct format *target, const struct spec *spec, struct err *err)
{
    const struct weight *weight = &offer->model->weight[offer->first];
    const struct constraints *limits = offer->engine;
    const unsigned bits = width_in(target, limits, spec->bits);
    const bool expert = strstr(weight->name, ".experts.") != NULL;
    if (!(expert ? limits->no_experts : limits->no_linear)) {
        if (limits->bits != 0 && (limits->bits >> spec->bits & 1) == 0 && bits != 0)
            return err_try(err, "--bits %u", bits);
        const int64_t usual = constraints_default_group(limits, target->can.group_size, 128);
        const bool changes = usual == -1 ? spec->group < weight->in : (uint64_t)usual < weight->in;
        if (changes && !constraints_group_fits(limits, spec->group, spec->group >= weight->in))
            return err_try(err, "--group-size %lld, or leave it out", (long long)usual);
        if (limits->symmetric_only && weight->spec.zero_kind != ZERO_MID)
            return err_try(err, "leave --asym out");
    }
    for (size_t i = 0; i < limits->other_count; i++) {
        const struct constraints *other = &limits->other[i];
        const struct format *format = registry_find(other->format);
        const bool lacks = (expert ? other->no_experts : other->no_linear) || (other->symmetric_only && weight->spec.zero_kind != ZERO_MID);
        const unsigned width = format == NULL ? 0 : width_in(format, other, spec->bits);
        if (width == 0 || format == target || !format->can.writes || lacks || !offer_rounds(format, other, weight, width))
            continue;
        return err_try(err, "--to %s --bits %u", format->name, width);
    }
    return err_try(err, "%s", keep_text(limits)[0] == '\0' ? "repaq check --engines says what it takes" : keep_text(limits));
}

enum status offer_for_engine(const struct offer *offer, const struct options *options, const struct format *target, const struct spec *spec,
                             struct err *err)
{
    char text[200];
    const struct constraints *limits = offer->engine;
    const struct weight *weight = &offer->model->weight[offer->first];
    const struct survey_weight *seen = &offer->survey->weight[offer->first];
    if (weight->origin != NULL)
        return offer_rounding(offer, target, spec, err);
    for (unsigned bits = weight->spec.bits; bits <= 8; bits++)
        if (bits != spec->bits && offer_holds(target, limits, weight, seen, bits))
            return err_try(err, "--bits %u, a container that is exact", bits);
    if (options->group != 0 && offer_holds(target, limits, weight, seen, spec->bits))
        return err_try(err, "leave --group-size out: --for chooses one");
    const bool fits =
        (limits->out_multiple == 0 || weight->out % limits->out_multiple == 0) && (limits->in_multiple == 0 || weight->in % limits->in_multiple == 0);
    const bool others = offer_text(offer, text, sizeof text) != NULL, kept = !fits && keep_text(limits)[0] != '\0'; /* a shape is one layer's own */
    if (!others && !kept)
        return err_try(err, "repaq check --engines: no format of %s holds this weight", limits->engine);
    return err_try(err, "%s%s%s", others ? text : "", others && kept ? "; " : "", kept ? keep_text(limits) : "");
}

enum status offer_bits(const struct format *target, const struct constraints *engine, struct err *err)
{
    const struct constraints any = {0}, *limits = engine == NULL ? &any : engine;
    const unsigned bits = limits->no_linear ? 0 : width_in(target, limits, 4);
    bool floats;
    (void)limits_of(engine, "hf", &floats);
    if (bits == 0 && floats)
        return err_try(err, "--to hf");
    return bits == 0 ? err->status : err_try(err, "--bits %u rounds to nearest%s", bits, floats ? ", or --to hf" : "");
}
