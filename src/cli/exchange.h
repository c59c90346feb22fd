/* What a pair of formats can exchange, as text: the class that it reaches in general and its conditions, derived from both capability rows and tables of
 * forms. */
#ifndef REPAQ_EXCHANGE_H
#define REPAQ_EXCHANGE_H

#include "formats/registry.h"

#define EXCHANGE_CONDITIONS_MAX 24

/* Zero-initialise. */
struct exchange {
    const char *class_name; /* "bytes", "exact", "rounded", "lossy" (with --bits only), "none" */
    size_t count;
    char condition[EXCHANGE_CONDITIONS_MAX][240];
};

void exchange_describe(const struct format *from, const struct format *to, struct exchange *pair);

/* Adds one; what is beyond the room is left out. */
void exchange_condition(struct exchange *pair, const char *format, ...) PRINTF_LIKE(2, 3);
/* True if codes of the format are integers of groups. */
bool exchange_holds_codes(const struct format *format);
/* True if some form of it has activations. */
bool exchange_holds_activations(const struct format *format);
/* True if `to` holds the codes of a form of small floats: those of 4 bits are stored as bytes or words of the same bytes. */
bool exchange_holds_floats(const struct format *to, const struct form *own);
/* What whole words of the target ask of shapes. */
void exchange_shapes(const struct format *to, struct exchange *pair);

/* The sizes that it holds, and whether weights may differ in them: "32, 64, 128, one for all"; at most 47 characters. */
const char *exchange_groups(const struct format *format, char buffer[48]);

/* The part of exchange_describe where one side holds codes in ggml's blocks (capability.blocks). */
void exchange_blocks_into(const struct format *from, struct exchange *pair);
void exchange_blocks_from(const struct format *from, const struct format *to, struct exchange *pair);
/* Bit b: some block type holds codes of b bits. */
uint32_t exchange_blocks_widths(void);
/* "32, 256": the sizes of the blocks. */
const char *exchange_blocks_sizes(char buffer[32]);

#endif
