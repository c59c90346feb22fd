/* All formats, and the choice among their bids. */
#ifndef REPAQ_REGISTRY_H
#define REPAQ_REGISTRY_H

#include "formats/format.h"

/* All formats in formats.def's order. */
size_t registry_count(void);
const struct format *registry_at(size_t index);
const struct format *registry_find(const char *name); /* NULL if unknown */
/* "hf, awq, ...": all, or those that are written, into buffer; returns buffer. */
const char *registry_names(bool written, char *buffer, size_t size);

/* What a weight asks of a form. */
struct want {
    unsigned bits;
    enum activation activation;
    bool per_channel;
    enum variant variant; /* VARIANT_ANY is the format's default */
    enum grid grid;       /* GRID_MINIFLOAT, or else that of integers */
};
/* The first fitting row of a format's table, or NULL. */
const struct form *registry_form(const struct format *format, const struct want *want);
/* True if some form of the format holds zeros other than 2^(bits-1). */
bool registry_asymmetric(const struct format *format);
/* Bit b: some weight-only form has b-bit codes. */
uint32_t registry_widths(const struct format *format);
/* "4, 8" into buffer; returns buffer. */
const char *registry_bits(const struct format *format, char *buffer, size_t size);

/* Asks every probe. Highest bid wins, ties by the order of formats.def; `from` (may be NULL) chooses among those above 0 (USAGE otherwise).
 * Nothing above 0: UNSUPPORTED. */
enum status registry_choose(const struct source *source, const char *from, const struct format **format, struct bid *bid,
                            struct err *err) WARN_UNUSED;
/* registry_choose, then read: the model is sorted and ready. options.format_forced is set here. */
enum status registry_read(struct source *source, const char *from, struct read_options options, struct model *model, struct bid *bid,
                          struct err *err) WARN_UNUSED;

#endif
