/* Pairs of which one side holds codes in ggml's blocks: the types are those of codec/ggml_embed (written) and formats/ggufread (read). */
#include "cli/exchange.h"
#include "codec/ggml_embed.h"
#include "formats/ggufread.h"

#include <stdio.h>

uint32_t exchange_blocks_widths(void)
{
    uint32_t widths = 0;
    const struct ggml_embed_holder *holder;
    for (size_t h = 0; (holder = ggml_embed_holder_at(h)) != NULL; h++)
        widths |= 1u << holder->bits;
    return widths;
}

/* Bit k: some type has blocks of 2^k columns. */
static uint32_t sizes_of(uint32_t widths)
{
    uint32_t sizes = 0;
    const struct ggml_embed_holder *holder;
    for (size_t h = 0; (holder = ggml_embed_holder_at(h)) != NULL; h++)
        if (widths >> holder->bits & 1)
            sizes |= ggml_block_elements(holder->type);
    return sizes;
}

const char *exchange_blocks_sizes(char buffer[32])
{
    const uint32_t sizes = sizes_of(UINT32_MAX);
    size_t used = 0;
    buffer[0] = '\0';
    for (uint32_t size = 1; size != 0 && used < 32; size <<= 1)
        if (sizes & size)
            used += (size_t)snprintf(buffer + used, 32 - used, "%s%u", used == 0 ? "" : ", ", size);
    return buffer;
}

/* --- into blocks ----------------------------------------------------------------------------------------------------------------- */

static bool is_integer(const struct form *form)
{
    return form->grid == GRID_DENSE || form->grid == GRID_AFFINE_ZERO; /* the default is the format's own */
}

/* Bit b: the format holds integers of b bits, with or without activations. */
static uint32_t integer_widths(const struct format *format)
{
    uint32_t widths = 0;
    for (size_t f = 0; f < format->form_count; f++)
        if (is_integer(&format->form[f]))
            widths |= 1u << format->form[f].bits;
    return widths;
}

/* All codes of `bits` bits, less any zero of as many. */
static bool holds_all(const struct ggml_embed_holder *holder, unsigned bits)
{
    return holder->how == GGML_EMBED_RANGE && holder->low <= -(1 << bits) && holder->high >= (1 << bits) - 1;
}

/* The types in the order in which they are tried, from the narrowest codes on, to the first one that holds whatever there is. */
static void describe_types(uint32_t widths, bool betas, struct exchange *pair)
{
    unsigned least = 1, most = 8;
    const struct ggml_embed_holder *holder;
    while (least < 8 && (widths >> least & 1) == 0)
        least++;
    while (most > 1 && (widths >> most & 1) == 0)
        most--;
    exchange_condition(pair, "--type auto takes the first of these types that holds all codes and zeros of a tensor, or of a stack of experts (R-BLOCKS):");
    for (size_t h = 0; (holder = ggml_embed_holder_at(h)) != NULL; h++) {
        const char *name = ggml_name(holder->type);
        const uint32_t columns = ggml_block_elements(holder->type);
        if (holder->bits < least)
            continue;
        if (holder->how == GGML_EMBED_RANGE)
            exchange_condition(pair, "  %s, blocks of %u: code - zero in %d..%d%s", name, columns, holder->low, holder->high,
                               holds_all(holder, most) ? ", which are all there are" : "");
        else if (holder->how == GGML_EMBED_ZERO)
            exchange_condition(pair, "  %s, blocks of %u: codes of %u bits, zeros in %d..%d", name, columns, holder->bits, holder->low, holder->high);
        else
            exchange_condition(pair, "  %s, blocks of %u: codes of %u bits where %szero * scale, or (%d - zero) * scale, is an F16", name, columns,
                               holder->bits, betas ? "the bias, or " : "", (1 << holder->bits) - 1);
        if (holds_all(holder, most))
            return;
    }
}

/* Small floats: MXFP4 is a block type, the others are none. */
static void describe_small(const struct format *from, struct exchange *pair)
{
    for (size_t f = 0; f < from->form_count; f++) {
        const struct form *own = &from->form[f];
        if (own->grid == GRID_CODEBOOK)
            exchange_condition(pair, "%s: no block type holds them (R-CODEBOOK)", own->name);
        else if (own->grid == GRID_MINIFLOAT && own->bits == 4)
            exchange_condition(pair, "%s: bytes, into MXFP4, unless an exponent is 255 (R-E255)", own->name);
        else if (own->grid == GRID_MINIFLOAT)
            exchange_condition(pair, "%s: no block type holds them (R-FP8)", own->name);
        while (f + 1 < from->form_count && own->grid != GRID_DENSE && from->form[f + 1].name == own->name)
            f++;
    }
}

void exchange_blocks_into(const struct format *from, struct exchange *pair)
{
    const uint32_t widths = integer_widths(from);
    const bool f16 = (from->can.scale_dtypes & ~(1u << DTYPE_F16)) == 0;
    if (widths != 0) {
        pair->class_name = f16 ? "exact" : "rounded";
        if (!f16)
            exchange_condition(pair, "scales are rounded to F16 where they are not exact in it (--exact refuses; R-SCALE); codes and zeros are exact");
        describe_types(widths, from->can.grid == GRID_AFFINE_BETA, pair);
        exchange_condition(pair, "in_features is whole blocks, and so are groups, but for one a channel (R-BLOCKS)");
        if (from->can.act_order)
            exchange_condition(pair, "a g_idx may cut blocks of down_proj alone, whose inputs then go by group, as rows of gate_proj and up_proj (R-ACTORDER)");
    } else {
        pair->class_name = from->can.stacks ? "bytes" : "none";
        if (from->can.stacks) {
            describe_small(from, pair);
            exchange_condition(pair, "the architecture is gpt-oss, with stacks and biases in every layer (R-SHAPE, R-INCOMPLETE)");
            exchange_condition(pair, "--type F32, F16, BF16 and Q8_0 leave experts as they are; --tensor-type _exps=F16 makes floats of them");
            exchange_condition(pair, "Q4_K_M and the like round anew, with --allow-requantize (lossy)");
            return;
        }
    }
    describe_small(from, pair);
    if (exchange_holds_activations(from))
        exchange_condition(pair, "activation parameters are dropped, with --weights-only (R-ACTPARAM)");
    exchange_condition(pair, "the architecture is one whose tensors have names in GGUF");
    exchange_condition(pair, "--type F32, F16 or BF16, and --tensor-type NAME=F32, make floats (exact or rounded)");
    exchange_condition(pair, "Q8_0, Q4_K_M and the like round anew, with --allow-requantize (lossy)");
}

/* --- from blocks ----------------------------------------------------------------------------------------------------------------- */

/* The least width from `bits` on that the target holds; 0: none. */
static unsigned width_in(const struct format *to, unsigned bits)
{
    for (unsigned b = bits; b <= 8; b++)
        if (registry_widths(to) >> b & 1)
            return b;
    return 0;
}

static void describe_read(const struct ggufread_fields *fields, const struct format *to, struct exchange *pair)
{
    const char *name = ggml_name(fields->type);
    const unsigned width = width_in(to, fields->bits);
    const struct form mxfp4 = {.grid = GRID_MINIFLOAT, .bits = 4};
    char text[80] = "codes and scales move";
    if (fields->grid == GRID_MINIFLOAT) {
        if (exchange_holds_floats(to, &mxfp4))
            exchange_condition(pair, "%s: bytes, codes and scales only move", name);
        else
            exchange_condition(pair, width_in(to, 5) == 0 ? "%s: it has no place (R-FP8)" : "%s: exact with --bits %u, as integers (R-FP8 without)", name,
                               width_in(to, 5));
        return;
    }
    if (width == 0) {
        exchange_condition(pair, "%s: codes of %u bits have no place (R-BITS)", name, fields->bits);
        return;
    }
    if (width > fields->bits)
        (void)snprintf(text, sizeof text, "with --bits %u, a wider container (R-BITS without)", width);
    if (fields->grid == GRID_AFFINE_BETA && to->can.grid != GRID_AFFINE_BETA)
        exchange_condition(pair, "%s: %s where -bias / scale of every group is an integer that the target holds (R-RANGE)", name, text);
    else
        exchange_condition(pair, "%s: %s, in groups of %u", name, text, ggml_block_elements(fields->type));
}

/* Codes of a type whose groups span fewer levels than it has become narrower ones (plan/narrow.h). */
static void describe_narrowed(const struct format *to, struct exchange *pair)
{
    if ((registry_widths(to) >> 4 & 1) == 0)
        return;
    exchange_condition(pair, "%s: codes of 4 bits with zeros%s where every group spans at most 16 of its 32 levels", ggml_name(GGML_Q5_0),
                       to->can.grid == GRID_AFFINE_BETA ? ", with --bits 4," : "");
}

void exchange_blocks_from(const struct format *from, const struct format *to, struct exchange *pair)
{
    const struct ggufread_fields *fields;
    pair->class_name = to->can.blocks ? "bytes" : "exact";
    if (to->can.blocks) {
        exchange_condition(pair, "every tensor keeps its bytes, metadata pass through");
        exchange_condition(pair, "--type T rounds floats to nearest (lossy), blocks of other types with --allow-requantize");
        return;
    }
    if (!to->can.stacks)
        exchange_condition(pair, "experts of gpt-oss, which stay stacks, have no place (R-EXPERTS)");
    if (!exchange_holds_codes(to)) {
        exchange_condition(pair, "blocks: where every value is representable in the dtype that is written, else rounded (--exact refuses)");
        exchange_condition(pair, "float tensors keep their dtype; --dtype casts them (exact or rounded)");
        return;
    }
    for (size_t f = 0; (fields = ggufread_fields_at(f)) != NULL; f++) {
        if (fields->type == GGML_Q5_0)
            describe_narrowed(to, pair);
        describe_read(fields, to, pair);
    }
    exchange_condition(pair, "other types (Q4_K, Q6_K, IQ4_NL, ...) have no one scale a group (R-CODEBOOK): --allow-requantize rounds them (lossy)");
    exchange_condition(pair, to->can.grid == GRID_AFFINE_BETA ? "a lm_head of such a type becomes floats (exact or rounded)"
                                                              : "a lm_head of such a type, and embeddings of any, become floats (exact or rounded)");
    exchange_condition(pair, "a %s file of floats alone: --bits rounds its Linear layers to nearest (lossy)", from->name);
    exchange_shapes(to, pair);
}
