/* The allow-list of what a torch checkpoint's pickle may name, and what each of them makes of its arguments (pytorch/pytorch:torch/_utils.py,
 * torch/serialization.py, torch/_weights_only_unpickler.py). Values are built; nothing is called. */
#ifndef REPAQ_TORCHCALL_H
#define REPAQ_TORCHCALL_H

#include "container/picklenode.h"

/* The row of module.name; UNSUPPORTED, by name, where there is none. */
enum status torchcall_find(const struct pickle *pickle, struct slice module, struct slice name, uint32_t *row, struct err *err) WARN_UNUSED;
/* REDUCE and NEWOBJ: what the global makes of a tuple of arguments. */
enum status torchcall_call(struct pickle *pickle, uint32_t global, uint32_t args, uint32_t *node, struct err *err) WARN_UNUSED;
/* BINPERSID: the storage that ('storage', class, key, location, elements[, view]) names. */
enum status torchcall_storage(struct pickle *pickle, uint32_t id, uint32_t *node, struct err *err) WARN_UNUSED;
/* Why a node of kind REFUSED is refused. */
const char *torchcall_reason(const struct pickle *pickle, uint32_t node);

#endif
