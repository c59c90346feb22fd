/* Stored tensors of a weight -> the canonical form: codes u8 [out][in], scales and zeros [out][group]. */
#ifndef REPAQ_DECODE_H
#define REPAQ_DECODE_H

#include "codec/pack.h"
#include "plan/fetch.h"
#include "plan/scratch.h"

/* A rectangle of a weight: `in` counts input columns for codes and groups for parameters. Origins and sizes are whole runs of the layouts
 * (decode_align), or end at the weight's edge. */
struct area {
    uint64_t out0, out;
    uint64_t in0, in;
};

/* The stored bytes of an area of codes (not of a weight with an origin, or with an order of its own), in SCRATCH_RAW: *stored points at them. */
enum status decode_raw(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct stored *stored,
                       struct err *err) WARN_UNUSED;
/* Codes of `part`, which lies inside the area that decode_raw loaded. A field that holds no code is CORRUPT (R-NONFINITE). */
enum status decode_part(const struct weight *weight, struct area area, struct stored raw, struct area part, struct codes codes,
                        struct err *err) WARN_UNUSED;
/* decode_raw and decode_part of the whole area, in the weight's order, into SCRATCH_CODES (stride = area.in). */
enum status decode_codes(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes *codes,
                         struct err *err) WARN_UNUSED;

/* The group of every input column, u32 [in], in SCRATCH_GROUP_OF: g_idx with negative entries normalised, or k / group where there is none, where it is
 * not set, or where `trivial` says that it is to be read so. An entry outside the groups is CORRUPT. */
enum status decode_group_of(const struct fetch *fetch, const struct weight *weight, bool trivial, struct scratch *scratch, uint32_t **group_of,
                            struct err *err) WARN_UNUSED;

#endif
