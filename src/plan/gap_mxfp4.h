/* MXFP4 weights: what the target lacks for their bytes. */
#ifndef REPAQ_GAP_MXFP4_H
#define REPAQ_GAP_MXFP4_H

#include "plan/gap.h"

/* The spec of an MXFP4 weight in the target, whose form says how its blocks of 32 with an exponent each are stored. UNREPRESENTABLE where the target has
 * none (R-FP8), or none for its activations (R-ACTPARAM) or its stack of experts (R-EXPERTS), and for other groups (R-GROUP). */
enum status gap_mxfp4_move(const struct gap *gap, uint32_t index, struct spec *spec, struct err *err) WARN_UNUSED;
/* A stack of MLX's or GGUF's that is to become floats: UNSUPPORTED. */
enum status gap_mxfp4_refuse_dense(const struct weight *weight, struct err *err) WARN_UNUSED;
/* Integer codes of such a stack (GGUF's): UNREPRESENTABLE. */
enum status gap_mxfp4_refuse_codes(const struct gap *gap, const struct weight *weight, struct err *err) WARN_UNUSED;

#endif
