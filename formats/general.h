/* The keys general.* of a GGUF file: what the model is called, how it wants to be sampled, whose it is. */
#ifndef REPAQ_GENERAL_H
#define REPAQ_GENERAL_H

#include "container/ggufile_write.h"
#include "formats/gguf.h"

/* Parameters of the tensors of a file (gguf-py/gguf/gguf_writer.py, get_total_parameter_count). */
struct general_size {
    uint64_t total, shared, expert, expert_count;
};
struct general_size general_measure(const struct gguf_tensor *tensor, size_t count);
/* Sets them in the converter's order: general.type and what follows, from generation_config.json, config.json's _name_or_path and the directory's name.
 * README.md's front matter and --metadata say more (authorship.h). Sets stem and unread of the listing. */
enum status general_set(struct ggufile_writer *kv, const struct gguf_input *input, const struct general_size *size, struct gguf_listing *listing,
                        struct err *err) WARN_UNUSED;

#endif
