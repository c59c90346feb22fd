/* Which formats hold weights as they are, and are taken by an engine: what remedies may name. */
#ifndef REPAQ_OFFER_H
#define REPAQ_OFFER_H

#include "formats/registry.h"
#include "plan/constraints.h"
#include "plan/survey.h"

/* The weights in question: [first, first + count) of the model. */
struct offer {
    const struct model *model;
    const struct survey *survey;
    size_t first, count;
    const struct constraints *engine; /* of --for: only what it takes is offered; NULL: anything */
    const char *except;               /* the format that was asked for; NULL: none */
    bool float_layers;                /* some Linear layers of blocks are float, and engines without rules for modules refuse them */
};

/* True if the format holds every code, zero, group and shape of a weight as it is, at `bits` (the weight's own or more), and the engine takes that: its
 * limits for the format, or NULL. Scales may be rounded. Floats hold all. */
bool offer_holds(const struct format *format, const struct constraints *limits, const struct weight *weight, const struct survey_weight *seen, unsigned bits);
/* True if the weight can be rounded to codes of `bits` bits in the format, in the group size that is taken where none is named. */
bool offer_rounds(const struct format *format, const struct constraints *limits, const struct weight *weight, unsigned bits);
/* "--to gptq_v2, compressed-tensors or hf": every format that is written and holds all the weights; where none of integers does at their own width, the
 * first that does at 8 bits, with its --bits. Into buffer; returns buffer, or NULL if there is none. */
const char *offer_text(const struct offer *offer, char *buffer, size_t size);
/* "--to X --bits N": the first of the same, for a whole command line; NULL if there is none. */
const char *offer_first(const struct offer *offer, char *buffer, size_t size);
/* The remedy for a weight that the engine refuses as `spec` in `target`: another option, or another format. Adds it to *err and returns its status. */
enum status offer_for_engine(const struct offer *offer, const struct options *options, const struct format *target, const struct spec *spec,
                             struct err *err) WARN_UNUSED;
/* The remedy for floats that are to become codes: a width that target and engine (NULL: any) have, and --to hf where that is taken. */
enum status offer_bits(const struct format *target, const struct constraints *engine, struct err *err) WARN_UNUSED;

#endif
