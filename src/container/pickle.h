/* Pickles as torch.save writes them, read as data: nothing that a pickle names is ever looked up, imported or called.
 *
 * The machine knows the opcodes of protocols 0 to 5 that pickling makes of data (CPython:Lib/pickletools.py has their meaning). A GLOBAL is a row of the
 * allow-list in torchcall.c, and any other is refused by name; REDUCE and NEWOBJ build what that row says. Values are nodes, and names of nodes are copied,
 * never nodes, so that memory grows with the pickle's bytes and with nothing else. */
#ifndef REPAQ_PICKLE_H
#define REPAQ_PICKLE_H

#include "container/picklenode.h"

/* Reads one pickle from the start of text (borrowed while the nodes are used). *used (may be NULL: the text must end with the pickle) is what it took. Errors:
 * CORRUPT (no pickle, underflow, a length beyond the end, types that an opcode does not take), UNSUPPORTED (a global that is not on the list, by name; opcodes
 * of objects), LIMIT. `where` names the file. */
enum status pickle_read(struct pickle *pickle, const char *where, struct slice text, size_t *used, struct err *err) WARN_UNUSED;
void pickle_free(struct pickle *pickle);

#endif
