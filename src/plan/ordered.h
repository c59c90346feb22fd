/* Codes and parameters of a weight whose rows or columns stand in another order than they are stored in (ir/model.h). What is stored is read by runs of its
 * layout, and what is wanted of it is gathered: decode and params ask for that, and nothing else need know. */
#ifndef REPAQ_ORDERED_H
#define REPAQ_ORDERED_H

#include "plan/params.h"

/* decode_codes of a weight with an order. Takes SCRATCH_ORDERED as well. */
enum status ordered_codes(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes *codes,
                          struct err *err) WARN_UNUSED;
/* params_load of a weight with an order of rows, in SCRATCH_ORDERED_PARAMS; its zeros are codes, or in the middle. */
enum status ordered_params(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                           struct err *err) WARN_UNUSED;

#endif
