/* Tiles of codes, and of weights that become floats. */
#ifndef REPAQ_TILE_CODES_H
#define REPAQ_TILE_CODES_H

#include "plan/tile_making.h"

enum status tile_codes_packed(const struct making *making, struct err *err) WARN_UNUSED;
enum status tile_codes_dense(const struct making *making, struct err *err) WARN_UNUSED;

#endif
