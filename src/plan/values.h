/* Weights as floats: what the codes of any grid stand for. */
#ifndef REPAQ_VALUES_H
#define REPAQ_VALUES_H

#include "codec/affine.h"
#include "plan/params.h"

/* The values of output channels [out0, out0 + out) as F32 [out][in], in SCRATCH_VALUE. `trivial`: the group map is read as k / group (decode.h).
 * (code - zero) * scale, scale * code + beta and their kin are computed in F32; a dead group gives zeros. Slots: those of decode and params. */
/* Stored codes of rows to come. Where stored rows run across those of the weight, a few rows at a time would be read in pieces of a few bytes. Begins
 * as {.step = the rows of most loads, whole runs of the layout, .bytes_max = VALUES_AHEAD_BYTES}; is good until the next read ahead with the same scratch. */
#define VALUES_AHEAD_BYTES (UINT64_C(4) << 20) /* pieces of 1 KiB where a weight has 4096 columns of 4 bits */
struct values_ahead {
    uint64_t step, bytes_max;
    struct area area;
    struct stored raw; /* in SCRATCH_AHEAD; data NULL: nothing was read */
};
struct values_rows {
    uint64_t out0, out;
    bool trivial;
    struct affine_loss *loss; /* added to; NULL: not asked for */
    const struct values_ahead *ahead; /* holds these rows, or nothing; NULL: nothing */
};
/* Makes sure that *ahead holds the first step of these rows, and reads more of them as well; nothing where the stored rows are those of the weight. */
enum status values_read_ahead(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch,
                              struct values_ahead *ahead, struct err *err) WARN_UNUSED;
/* The codes of these rows, as decode_codes gives them: of those that were read ahead where there are some. */
enum status values_codes(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, struct codes *codes,
                         struct err *err) WARN_UNUSED;
enum status values_load(const struct fetch *fetch, const struct weight *weight, struct values_rows rows, struct scratch *scratch, float **values,
                        struct err *err) WARN_UNUSED;

#endif
