/* Hyper-parameters of config.json as keys of a GGUF file. */
#ifndef REPAQ_HYPERKEYS_H
#define REPAQ_HYPERKEYS_H

#include "container/ggufile_write.h"
#include "formats/hyper.h"

/* What stands before general.*: rope.scaling.attn_factor, where the family has it. */
enum status hyperkeys_begin(struct ggufile_writer *kv, const struct arch *arch, const struct jsondoc *config, struct err *err) WARN_UNUSED;
/* Sets the keys of the family's table, in its order. A required member that is missing, or one of the wrong type, is CORRUPT. */
enum status hyperkeys_set(struct ggufile_writer *kv, const struct arch *arch, const struct jsondoc *config, uint32_t file_type, struct err *err) WARN_UNUSED;
/* The rope parameters of config.json: rope_parameters or rope_scaling, and of those full_attention where layers differ; NULL if there are none. */
const struct jsondoc *hyperkeys_rope(const struct jsondoc *config);
/* A number among the rope parameters, or in the root of config.json, or the model type's default. */
bool hyperkeys_rope_number(const struct arch *arch, const struct jsondoc *config, const char *member, double *value);
/* "llama3", "yarn", ...; NULL if none is stated. */
const char *hyperkeys_rope_type(const struct jsondoc *config);

#endif
