/* The types of a GGUF file's tensors, and the importance of their columns, before anything is surveyed. */
#ifndef REPAQ_GGUFMIX_H
#define REPAQ_GGUFMIX_H

#include "formats/gguf.h"
#include "plan/options.h"

/* Sets type and importance of the tensors in input->arrangement where llama-quantize's rules choose them: always where the source is a GGUF file, whose
 * tensors are brought in the order of its output, and of other sources where options->type is one that the converter does not write itself. */
enum status ggufmix_choose(struct arrangement *arrangement, const struct model *model, const struct gguf_input *input, const struct options *options,
                           struct err *err) WARN_UNUSED;

#endif
