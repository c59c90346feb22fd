/* Tiles of what static activations need: input scale and zero, and msModelSlim's deq_scale and quant_bias. */
#ifndef REPAQ_TILE_ACTIVATION_H
#define REPAQ_TILE_ACTIVATION_H

#include "plan/tile_making.h"

/* A stored tensor's bytes where they may stay, else computed: input scales and zeros in another dtype; deq_scale = input scale * weight scale in F32;
 * quant_bias = rne(bias / deq_scale - input zero * sum of a row's signed codes) (formats/msmodelslim.md section 3.3). One that is no I32 is
 * UNREPRESENTABLE. */
enum status tile_activation_make(const struct making *making, struct err *err) WARN_UNUSED;

#endif
