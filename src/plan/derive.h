/* Weights whose codes are rounded to nearest anew, from floats or from quantized values: they look like stored ones to everything that decodes. */
#ifndef REPAQ_DERIVE_H
#define REPAQ_DERIVE_H

#include "plan/aim.h"
#include "plan/params.h"

/* Makes every float Linear of the decoder blocks (2-D NAME.weight, no embedding, router or tower of another modality) a weight to be rounded into the
 * target by --bits, --group-size and --asym; those that --keep or --exclude name stay floats. A width that cannot be rounded to is USAGE. */
enum status derive_floats(struct model *model, const struct format *target, const struct options *options, struct err *err) WARN_UNUSED;
/* The same for a quantized weight: in the target's nearest width and group size where the options name none. `trivial`: its group map is read as
 * k / group. */
enum status derive_again(struct model *model, uint32_t weight, bool trivial, const struct format *target, const struct options *options,
                         struct err *err) WARN_UNUSED;

/* params_load and decode_codes of a weight with an origin. Slots: those of values_load, and those that the others fill. */
enum status derive_params(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                          struct err *err) WARN_UNUSED;
enum status derive_codes(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes *codes,
                         struct err *err) WARN_UNUSED;

#endif
