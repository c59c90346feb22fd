/* How one weight is quantized: the grid and its parameters, independent of any file format. */
#ifndef REPAQ_SPEC_H
#define REPAQ_SPEC_H

#include "ir/dtype.h"

#include <stdbool.h>
#include <stdint.h>

enum grid {
    GRID_DENSE,       /* not quantized */
    GRID_AFFINE_ZERO, /* value = scale * (code - zero) */
    GRID_AFFINE_BETA, /* value = scale * code + beta (MLX, Q4_1) */
    GRID_MINIFLOAT,   /* fp8, mxfp4 */
    GRID_CODEBOOK,    /* nf4 */
    GRID_GGML_BLOCK,
    GRID_COUNT,
};
const char *spec_grid_name(enum grid grid);

/* Where the zero point of a group is. The canonical zero is unsigned: value = (code - zero) * scale with code in 0..2^bits-1. */
enum zero_kind {
    ZERO_MID,    /* no tensor: 2^(bits-1) everywhere */
    ZERO_CODES,  /* packed fields, read by zero_rule */
    ZERO_OFFSET, /* floats in the scales' order that hold zero - 2^(bits-1) (msModelSlim) */
    ZERO_BETA,   /* floats in the scales' order that hold beta: value = scale * code + beta, so zero = -beta / scale (MLX) */
    ZERO_SCALED, /* floats in the scales' order that hold -(scale * zero) rounded to their dtype; zero is the integer that gives it (AWQ GEMV-fast) */
    ZERO_NEVER,  /* in a format's table: zeros other than 2^(bits-1) have no place */
};

/* How a packed field becomes a zero (formats/gptq.md section 4). All but PLAIN are readings of GPTQ v1, which stores zero - 1. */
enum zero_rule {
    ZERO_PLAIN,     /* zero = field */
    ZERO_FIELD_MOD, /* zero = (field + 1) mod 2^bits */
    ZERO_WORD_ADD,  /* the words are incremented in every field with carry, then zero = field */
    ZERO_NO_MASK,   /* zero = field + 1 */
};

/* Storage order of a parameter matrix. */
enum order {
    ORDER_OUT_GROUP, /* [out][group] */
    ORDER_GROUP_OUT, /* [group][out] */
    ORDER_ONE,       /* one value for the whole weight */
};

/* What an engine does to the activations that meet a weight; the weight's own values do not depend on it. */
enum activation {
    ACTIVATION_NONE,    /* weight-only */
    ACTIVATION_DYNAMIC, /* int8 per token, scaled at run time: no tensors */
    ACTIVATION_STATIC,  /* int8 by an input scale and zero that are stored */
};
const char *spec_activation_name(enum activation activation); /* "static" */

/* How a stored scale becomes the factor of a code. */
enum scale_rule {
    SCALE_STORED,
    SCALE_ABSMAX,  /* an int8 row's largest magnitude: the factor is 1/127 of it (bitsandbytes) */
    SCALE_CODED,   /* codes of a table, times scales of their own, plus an offset (bitsandbytes, double quantization) */
};

/* How a stored code becomes an integer one. */
enum code_rule {
    CODE_STORED,
    CODE_F4_DOUBLED, /* F4 in half units, -12..12, counted from 16: 5 bits; the scales are exponents, and the scale is half of 2^(e - 127) */
    CODE_NARROWED,   /* Q5_0's 5 bits, counted from 16, as 4 with a zero a group (codec/ggml_field.h) */
};

struct spec {
    enum grid grid;
    uint8_t bits;          /* of a code */
    enum zero_kind zero_kind;
    enum zero_rule zero_rule; /* ZERO_CODES */
    enum order param_order; /* of scales, and of offsets */
    enum dtype scale_dtype;
    enum scale_rule scale_rule;
    float scale_offset;    /* SCALE_CODED */
    uint32_t scale_group;  /* SCALE_CODED: scales that share one of their own */
    uint64_t rows;         /* output channels that share scales, in two-dimensional blocks; 0: each has its own */
    uint64_t group;        /* consecutive input columns that share (scale, zero); = in for per-channel */
    enum activation activation;
    enum code_rule code_rule;
    uint8_t block;         /* GRID_GGML_BLOCK, and what was read from one: enum ggml_type of ir/ggml.h */
    uint8_t form;          /* the row of its format's table (formats/format.h) */
    uint32_t experts;      /* stacked weights of out / experts channels each; 0: one weight of two dimensions */
    bool switched;         /* experts as MLX's switch layers hold them: no float checkpoint stores such a stack */
    uint16_t codes_layout; /* enum layout_id of codec/layout.h */
    uint16_t zeros_layout; /* ZERO_CODES */
};
/* FP4 in blocks of 32 with an exponent (E8M0) each. */
bool spec_is_mxfp4(const struct spec *spec);

#endif
