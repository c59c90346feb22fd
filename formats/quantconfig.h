/* quantization_config of AWQ and GPTQ checkpoints, from config.json and the side files of older tools, held against each other. */
#ifndef REPAQ_QUANTCONFIG_H
#define REPAQ_QUANTCONFIG_H

#include "formats/format.h"

struct quantconfig {
    char where[64];      /* the file it was read from, "" if none */
    char method[32];     /* quant_method, lower case; "" if absent */
    char layout[32];     /* version (AWQ) or checkpoint_format/format (GPTQ), lower case; "" if absent */
    char backend[32];    /* backend (AWQ), lower case; "" if absent */
    int64_t bits, group; /* 0: absent; group -1: per channel */
    int symmetric;       /* sym; -1: absent */
    int zero_point;      /* zero_point (AWQ); -1: absent */
    int act_order;       /* desc_act; -1: absent */
    bool dynamic;        /* per-module rules are present */
    bool word_add;       /* written by GPTQModel or auto-round: v1 zeros are shifted by whole words */
    bool rotated;        /* rotation is set: activations are transformed at run time */
    bool other_pack;     /* pack_dtype is not int32 */
};

/* True if config.json has a quantization_config of bits that names no quant_method, and is not MLX's: then a probe bids BID_ASKED. */
bool quantconfig_unnamed(const struct source *source, struct bid *bid);
/* The probe's view: reads what is there and never fails. False if no document names `method`. */
bool quantconfig_peek(const struct source *source, const char *method, struct quantconfig *config);
/* Reads all documents. They must agree on bits, group size, sym, zero_point, format or version and desc_act (R-CONFLICT: CORRUPT, both
 * files named); a member of the wrong type is CORRUPT. */
enum status quantconfig_read(struct source *source, const char *method, struct quantconfig *config, struct err *err) WARN_UNUSED;

#endif
