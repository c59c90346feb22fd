/* quant_model_description*.json as the Ascend engines see it: every entry with its type in words, whatever repaq itself reads of it. */
#ifndef REPAQ_DESCRIBED_H
#define REPAQ_DESCRIBED_H

#include "formats/source.h"

/* Zero-initialise; free with described_free. */
struct described {
    struct arena arena;
    const char *name;        /* the file; NULL: there is none */
    const char **type;       /* owned; [count], in the order of the file */
    const char **tensor;     /* owned; [count] */
    size_t count, type_capacity, tensor_capacity;
    struct map by_tensor;    /* tensor -> its place */
    const char *version;     /* NULL: absent */
    const char *headline;    /* model_quant_type; NULL: absent */
    const char *null_member; /* the first member whose value is null; NULL: none */
    bool has_group_size;
    int64_t group_size;
};

/* Reads the description beside the weights, preferring the name without a suffix. None is no error. CORRUPT if it is no JSON object. */
enum status described_read(struct described *described, struct source *source, struct err *err) WARN_UNUSED;
/* The type of a tensor, NULL if it is not listed. */
const char *described_type(const struct described *described, const char *tensor);
void described_free(struct described *described);

#endif
