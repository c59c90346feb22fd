/* Edits one member of a JSON text in place: every other byte of the text survives. */
#ifndef REPAQ_SPLICE_H
#define REPAQ_SPLICE_H

#include "base/err.h"
#include "base/text.h"

/* Replaces the member `path` ("quantization_config", or "text_config/quantization_config") of the object `text` by `value` (JSON text),
 * or removes it if value is NULL; every other byte is kept. A missing member is appended as the last one. The value is laid out anew in
 * the document's own style: its indentation, or one line if its object is on one line. A missing parent, or one that is no object,
 * makes the call a no-op. Invalid JSON in text or value, and duplicate keys on the way, are CORRUPT. Result in *edited (replaced; it may
 * be the owner of `text`); unchanged on failure. */
enum status splice_member(const char *where, struct slice text, const char *path, const char *value, struct text *edited,
                          struct err *err) WARN_UNUSED;

#endif
