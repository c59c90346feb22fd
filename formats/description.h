/* quant_model_description*.json: the quantization type of every tensor (formats/msmodelslim.md section 2). */
#ifndef REPAQ_DESCRIPTION_H
#define REPAQ_DESCRIPTION_H

#include "formats/source.h"

enum quant_type { QUANT_UNLISTED, QUANT_FLOAT, QUANT_W4A16, QUANT_W8A16, QUANT_W8A8, QUANT_W8A8_DYNAMIC, QUANT_COUNT };
const char *description_type_name(enum quant_type type); /* "W4A16" */

struct description {
    const char *where;   /* its path, in the source's arena */
    uint8_t *type;       /* enum quant_type [model.tensor_count]; owned */
    bool packed;         /* version 1.0.0: two int4 a byte */
    bool rotated;        /* metadata or optional name a rotation */
    int64_t group_size;  /* 0: absent or per channel */
};

/* Reads the description `name` of the source and holds it against the model's tensors: a listed tensor that no shard holds is CORRUPT
 * (R-INCOMPLETE), a type that is not read here is UNSUPPORTED, a headline type that no weight has is CORRUPT. Free with description_free, also
 * after a failure. */
enum status description_read(struct source *source, const char *name, const struct model *model, struct description *description,
                             struct err *err) WARN_UNUSED;
/* The same from a file outside any directory (ms_to_vllm --json). */
enum status description_read_file(const struct file_ops *ops, const char *path, const struct model *model, struct description *description,
                                  struct err *err) WARN_UNUSED;
void description_free(struct description *description);

#endif
