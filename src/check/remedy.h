/* Commands that findings may name: only those that work for this checkpoint and this engine. */
#ifndef REPAQ_REMEDY_H
#define REPAQ_REMEDY_H

#include "check/subject.h"

/* "repaq convert SRC DST --to X --for ENGINE", where X holds all weights as they are, or as floats, and the engine takes it; of a float checkpoint with
 * --bits, and where nothing holds the codes with --allow-requantize, which are lossy. `from` is the format that --from must name, or NULL. NULL: there is
 * none, or the weights could not be looked at. */
const char *remedy_convert(struct subject *subject, const char *from, struct err *err);
/* The same into the format that it has: what convert writes anew is in order. NULL where that format does not hold the weights for the engine, or is not
 * written, or the checkpoint cannot be read. */
const char *remedy_rewrite(struct subject *subject, struct err *err);
/* A GGUF file with the same tensors, as repaq writes it: of version 3, little endian, dense. NULL where repaq cannot read the file or makes no such thing. */
const char *remedy_gguf(struct subject *subject, struct err *err);

#endif
