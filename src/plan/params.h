/* Stored scales and zeros of a weight -> the canonical form: [out][group], scales as F32, zeros as i32. */
#ifndef REPAQ_PARAMS_H
#define REPAQ_PARAMS_H

#include "codec/round.h"
#include "plan/decode.h"

/* Parameters of an area of (out, group) pairs. */
struct params {
    float *scale;    /* [out][groups], widened exactly */
    float *offset;   /* [out][groups] in the signed domain; NULL unless ZERO_OFFSET */
    float *beta;     /* [out][groups]; NULL unless ZERO_BETA or ZERO_SCALED */
    int32_t *zero;   /* [out][groups], canonical; GROUP_NO_ZERO where a beta stands for none */
    uint8_t *field;  /* [out][groups] stored fields; NULL unless ZERO_CODES */
    size_t count;    /* out * groups */
    bool old_zeros;  /* 3-bit zeros as GPTQModel once wrote them: all are 4 */
    size_t bad;      /* betas that are NaN or infinite */
    struct round_tally rounding; /* what rounding did, of a weight whose codes are rounded anew */
};

/* In the SCALE, OFFSET, ZERO, FIELD, RAW and TURNED slots. A weight without stored scales has deq_scale / input scale. */
enum status params_load(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                        struct err *err) WARN_UNUSED;
/* The stored deq_scale of an area's output channels into values [area.out]: F32, or its bits in an I64, whose low word comes first. Takes RAW. */
enum status params_deqs(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, float *values,
                        struct err *err) WARN_UNUSED;
/* GPTQ v1 fields of the area that known writers mean differently: all ones, and not in the top of their word (gptq.md section 4). 0 where the
 * rule is decided. */
uint64_t params_ambiguous(const struct fetch *fetch, const struct weight *weight, struct area area, const struct params *params);
/* A float parameter (ROLE_SCALES, ROLE_ZEROS as offsets, ROLE_BETA) of an area in its own dtype as [out][group], in SCRATCH_TURNED. */
enum status params_matrix(const struct fetch *fetch, const struct weight *weight, enum role role, struct area area, struct scratch *scratch,
                          struct err *err) WARN_UNUSED;

#endif
