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

/* The width row of a format, or NULL. */
const struct width *registry_width(const struct format *format, unsigned bits);
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
