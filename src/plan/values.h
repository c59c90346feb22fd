/* Weights as floats: what the codes of any grid stand for. */
#ifndef REPAQ_VALUES_H
#define REPAQ_VALUES_H

#include "plan/params.h"

/* The values of output channels [out0, out0 + out) as F32 [out][in], in SCRATCH_VALUE. `trivial`: the group map is read as k / group (decode.h).
 * (code - zero) * scale, scale * code + beta and their kin are computed in F32; a dead group gives zeros. Slots: those of decode and params. */
struct values_loss {
    uint64_t inexact;    /* values that F32 itself rounds: products of scales of 24 bits */
    double max_relative; /* of those */
};
struct values_rows {
    uint64_t out0, out;
    bool trivial;
    struct values_loss *loss; /* added to; NULL: not asked for */
};
enum status values_load(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float **values,
                        struct err *err) WARN_UNUSED;

#endif
