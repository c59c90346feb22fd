/* One streamed pass over the parameter tensors: what the plan must know of the values, in a fixed-size record per weight. Whole weights are read only
 * where they become floats, and float tensors where --dtype asks to narrow them. */
#ifndef REPAQ_SURVEY_H
#define REPAQ_SURVEY_H

#include "codec/group.h"
#include "codec/half.h"
#include "codec/round.h"
#include "plan/aim.h"
#include "plan/fetch.h"

#include <stdatomic.h>

struct survey_weight {
    struct group_tally groups;
    struct cast_tally scales;   /* of casting the scales to the dtype that the target will hold; count 0 if they keep theirs */
    struct cast_tally zeros;    /* of the offsets or betas in the dtype that the target will hold; count 0 if it holds none */
    struct cast_tally input;    /* of the input scale of static activations in the dtype that the target will hold */
    struct cast_tally products; /* of input scale * scale in F32, both as the target will hold them; count 0 if a deq_scale is stored */
    double bias_error;          /* what rounding takes of a quant_bias that is computed, in its own units: at most 0.5 */
    struct cast_tally values;   /* of the dequantized weight in its dtype; count 0 if it keeps its codes */
    struct round_tally rounding; /* of a weight whose codes are rounded anew */
    struct survey_embed {
        int64_t low, high;      /* of code - zero, over groups whose scale is not 0 */
        uint64_t loose[2];      /* groups whose zero * scale is no F16, as 4-bit and as 5-bit codes */
    } embed;                    /* of a weight that goes into ggml's blocks */
    uint64_t ambiguous;         /* GPTQ v1: all-ones fields below the top of their word, read by no known rule */
    uint8_t exponent_min, exponent_max; /* the least and the largest E8M0 byte of an MXFP4 weight; 0 if it is none, or is read as integers */
    uint64_t strange_deqs;      /* stored deq_scales that are not input scale * scale, in no dtype */
    uint64_t strange_biases;    /* stored quant_biases that are not what codes, bias, deq_scale and input zero make them; 0 if the target keeps them */
    double apart;               /* how far deq_scales and quant_biases that are dropped are from what the rest makes of them, at most: relative */
    uint64_t group_run;         /* the most columns that share a group wherever a row is cut into as many; all of them if there is one group */
    bool trivial_group_of;      /* no g_idx, or g_idx[k] == k / group, or all zero */
    bool old_zeros;             /* 3-bit zeros as GPTQModel once wrote them */
    bool uneven_group_of;       /* some group has more or fewer columns than groups in order have */
    bool input_zero;            /* static activations whose stored zero is not 0 */
    bool negative_group_of;     /* some entry of g_idx counts from the end, or says that it is not set */
    bool zero_group_of;         /* g_idx is all zero though there are several groups: read as trivial */
};

struct survey_tensor {
    struct cast_tally cast;     /* of the cast that --dtype asks for; count 0 if there is none */
    uint64_t first_difference;  /* byte where a tensor differs from its twin; UINT64_MAX if equal */
    uint64_t nonzero;           /* values that are not zero, of a tensor that may be dropped only if there is none */
};

struct survey {
    struct survey_weight *weight; /* owned; [model->weight_count] */
    struct survey_tensor *tensor; /* owned; [model->tensor_count] */
};

/* Surveys on `workers` threads. aims may be NULL: nothing is converted, and nothing cast. Free with survey_free, also after a failure. */
enum status survey_run(struct survey *survey, const struct fetch *fetch, const struct aims *aims, unsigned workers, const atomic_int *cancel,
                       struct err *err) WARN_UNUSED;
void survey_free(struct survey *survey);

#endif
