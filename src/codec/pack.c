#include "codec/pack.h"

#include "codec/pack_kernels.h"

#include <string.h>

/* --- the reference: every layout is a bit stream along its pack axis, cut into little-endian words ------------------------- */

/* A region as lanes of fields: one lane for each place on the other axis. */
struct lanes {
    size_t count, fields;
    size_t code_lane, code_step; /* from lane to lane, and from code to code along the pack axis, in the canonical codes */
    size_t word_lane, word_step; /* from lane to lane, and from word to word, in stored bytes */
    unsigned slots;              /* fields of a word whose order the row gives; 0: natural order */
};

static struct lanes lanes_of(const struct layout *layout, size_t code_stride, size_t out, size_t in, size_t stored_stride)
{
    const bool along_in = layout->pack == AXIS_IN, words_in_rows = layout->pack == layout->slow;
    const size_t word = layout->word_bits / 8u, slots = layout->word_bits / layout->field_bits;
    return (struct lanes){
        .count = along_in ? out : in,
        .fields = along_in ? in : out,
        .code_lane = along_in ? code_stride : 1,
        .code_step = along_in ? 1 : code_stride,
        .word_lane = words_in_rows ? word : stored_stride,
        .word_step = words_in_rows ? stored_stride : word,
        .slots = layout->word_bits % layout->field_bits == 0 && slots <= sizeof layout->slot ? (unsigned)slots : 0,
    };
}

/* Where along the pack axis the code of field f is. */
static size_t place_of(const struct layout *layout, const struct lanes *lanes, size_t f)
{
    return lanes->slots == 0 ? f : f - f % lanes->slots + layout->slot[f % lanes->slots];
}

static unsigned middle_of(const struct layout *layout)
{
    return layout->is_signed ? 1u << (layout->code_bits - 1) : 0;
}

void pack_codes_reference(const struct layout *layout, struct codes codes, size_t out, size_t in, struct stored stored)
{
    const struct lanes lanes = lanes_of(layout, codes.stride, out, in, stored.stride);
    const unsigned mask = (1u << layout->field_bits) - 1, middle = middle_of(layout);
    for (size_t lane = 0; lane < lanes.count; lane++) {
        uint8_t *word = stored.data + lane * lanes.word_lane;
        uint64_t bits = 0;
        unsigned held = 0;
        for (size_t f = 0; f < lanes.fields; f++) {
            const unsigned code = codes.data[lane * lanes.code_lane + place_of(layout, &lanes, f) * lanes.code_step];
            bits |= (uint64_t)((code - middle) & mask) << held;
            held += layout->field_bits;
            if (held < layout->word_bits)
                continue;
            memcpy(word, &bits, layout->word_bits / 8u);
            word += lanes.word_step;
            bits >>= layout->word_bits;
            held -= layout->word_bits;
        }
    }
}

size_t unpack_codes_reference(const struct layout *layout, struct stored stored, size_t out, size_t in, struct codes codes)
{
    const struct lanes lanes = lanes_of(layout, codes.stride, out, in, stored.stride);
    const unsigned mask = (1u << layout->field_bits) - 1, most = (1u << layout->code_bits) - 1, middle = middle_of(layout);
    size_t bad = 0;
    for (size_t lane = 0; lane < lanes.count; lane++) {
        const uint8_t *word = stored.data + lane * lanes.word_lane;
        uint64_t bits = 0;
        unsigned held = 0;
        for (size_t f = 0; f < lanes.fields; f++) {
            if (held < layout->field_bits) {
                uint32_t next = 0;
                memcpy(&next, word, layout->word_bits / 8u);
                word += lanes.word_step;
                bits |= (uint64_t)next << held;
                held += layout->word_bits;
            }
            const unsigned code = ((unsigned)bits + middle) & mask;
            codes.data[lane * lanes.code_lane + place_of(layout, &lanes, f) * lanes.code_step] = (uint8_t)(code & most);
            bad += code > most;
            bits >>= layout->field_bits;
            held -= layout->field_bits;
        }
    }
    return bad;
}

/* --- dispatch --------------------------------------------------------------------------------------------------------------- */

void pack_codes(const struct layout *layout, struct codes codes, size_t out, size_t in, struct stored stored)
{
    pack_codes_reference(layout, codes, out, in, stored);
}

size_t unpack_codes(const struct layout *layout, struct stored stored, size_t out, size_t in, struct codes codes)
{
    return unpack_codes_reference(layout, stored, out, in, codes);
}
