/* The ways in which a format stores quantized weights, as rows of a table. */
#ifndef REPAQ_FORM_H
#define REPAQ_FORM_H

#include "codec/layout.h"
#include "ir/model.h"

/* When a part is written. */
enum when {
    WHEN_ALWAYS,
    WHEN_ZEROS,     /* zeros are stored: the form's symmetric or asymmetric kind is not ZERO_MID */
    WHEN_ORDERED,   /* the group map is not trivial */
    WHEN_NONZERO,   /* static activations whose input zero is not 0 */
    WHEN_NEVER,     /* read only */
};

/* One tensor of a quantized weight: name = weight + suffix. */
struct part {
    enum role role;
    const char *suffix; /* ".qweight" */
    bool required;      /* in what is read */
    enum when when;     /* in what is written */
    enum dtype dtype;   /* that is written; DTYPE_NONE: as the scales, or as its layout has it */
};

/* Which weights a form is for. */
enum span { SPAN_ANY, SPAN_CHANNEL, SPAN_GROUPS };
/* --layout: which of two ways a format packs its codes. */
enum variant { VARIANT_ANY, VARIANT_PACKED, VARIANT_UNPACKED };

/* One way in which a format stores a quantized weight. The first row that fits a weight is taken. */
struct form {
    const char *name; /* "W4A16", "pack-quantized" */
    enum grid grid;   /* GRID_DENSE: that of the format */
    uint8_t bits;
    enum activation activation;
    enum span span;
    enum variant variant;
    enum layout_id codes, zeros;           /* zeros: where the kinds below are ZERO_CODES */
    enum zero_kind symmetric, asymmetric;  /* how zeros are kept where all are 2^(bits-1), and where not */
    enum order order;                      /* of scales and float zeros */
    const struct part *part;               /* [part_count]; the codes first */
    uint8_t part_count;
};

#endif
