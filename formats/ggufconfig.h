/* config.json and generation_config.json of a GGUF file: what its metadata says in the words of transformers. */
#ifndef REPAQ_GGUFCONFIG_H
#define REPAQ_GGUFCONFIG_H

#include "container/ggufile_split.h"
#include "container/ggufile_value.h"
#include "formats/arch/arch.h"

/* Appends config.json to *text. A key of the wrong type is CORRUPT; rotary factors that it has no words for are UNSUPPORTED. */
enum status ggufconfig_make(const struct ggufile_set *set, const struct file_ops *ops, const struct arch *arch, struct text *text, struct err *err) WARN_UNUSED;
/* Appends generation_config.json to *text; nothing if there is nothing to say. */
enum status ggufconfig_generation(const struct ggufile *gguf, struct text *text, struct err *err) WARN_UNUSED;
/* The class that the file's tensors are of: several share an architecture. */
const char *ggufconfig_class(const struct ggufile *gguf, const struct arch *arch);

#endif
