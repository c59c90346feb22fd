/* The front matter of README.md, a model card: a bounded part of YAML. */
#ifndef REPAQ_MODELCARD_H
#define REPAQ_MODELCARD_H

#include "base/text.h"
#include "container/jsondoc.h"

/* What stands between the first two lines "---", as an object of strings and lists of strings; *card is the caller's, NULL where there is none. Read are
 * "key: value", plain or in quotes without escapes, "key: [a, b]", and "key:" with lines "- item" below it. A member of any other form (mappings in it, block
 * scalars, anchors, escapes) is not there, and its name is added to *unread, with ", " between. Values are text as written: no dates, numbers or truths.
 * (ggml-org/llama.cpp:gguf-py/gguf/metadata.py, Metadata.load_model_card) */
enum status modelcard_parse(struct slice text, struct jsondoc **card, struct text *unread, struct err *err) WARN_UNUSED;

#endif
