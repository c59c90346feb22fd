/* What the name of a model's directory says of it: "Mistral-7B-Instruct-v0.3" is a base name, a size, a finetune and a version.
 * The rules are those of ggml-org/llama.cpp:gguf-py/gguf/metadata.py, Metadata.get_model_id_components. */
#ifndef REPAQ_MODELNAME_H
#define REPAQ_MODELNAME_H

#include "base/mem.h"

#include <stdint.h>

/* All in the arena; NULL where the name does not say. */
struct modelname {
    const char *title;        /* "Mistral 7B Instruct v0.3" */
    const char *organization; /* of "org/name" */
    const char *basename, *finetune, *version, *size_label;
};
/* `parameters`: of the model, by which a size is told from a context length; 0: unknown. */
enum status modelname_parse(const char *name, uint64_t parameters, struct arena *arena, struct modelname *parts, struct err *err) WARN_UNUSED;
/* "7.2B", "8x7.2B": at least two digits (gguf-py/gguf/utility.py, size_label). expert_count 0: no experts. Returns buffer. */
const char *modelname_size(uint64_t total, uint64_t shared, uint64_t expert, uint64_t expert_count, char buffer[64]);

#endif
