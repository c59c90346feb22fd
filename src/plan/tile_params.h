/* Tiles of everything that stands beside the codes. */
#ifndef REPAQ_TILE_PARAMS_H
#define REPAQ_TILE_PARAMS_H

#include "plan/tile_making.h"

/* Scales, offsets and betas as floats [out][group] or [group][out]. */
enum status tile_params_matrix(const struct making *making, struct err *err) WARN_UNUSED;
/* Zeros as packed fields. */
enum status tile_params_fields(const struct making *making, struct err *err) WARN_UNUSED;
enum status tile_params_group_of(const struct making *making, struct err *err) WARN_UNUSED;
enum status tile_params_shape(const struct making *making, struct err *err) WARN_UNUSED;

#endif
