/* The quantization_config of compressed-tensors that is written. */
#ifndef REPAQ_CTDESCRIBE_H
#define REPAQ_CTDESCRIBE_H

#include "container/jsondoc.h"
#include "formats/summary.h"

/* Fills `config`: schemes by size, the first for the class Linear, the others by name, and every float Linear in `ignore`. */
void ctdescribe_config(const struct summary *summary, struct jsondoc *config);

#endif
