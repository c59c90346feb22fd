#include "codec/pack.h"

#include "codec/pack_kernels.h"

#include <string.h>

/* --- the reference: every layout is a bit stream along its pack axis, cut into little-endian words ------------------------- */

/* A region as lanes of fields: one lane for each place on the other axis. */
struct lanes {
    size_t count, fields;
    size_t code_lane, code_step; /* from lane to lane, and from code to code along the pack axis, in the canonical codes */
    size_t word_lane, word_step; /* from lane to lane, and from word to word, in stored bytes */
    unsigned spare;              /* top bits of a word that no field takes */
};

static struct lanes lanes_of(const struct layout *layout, size_t code_stride, size_t out, size_t in, size_t stored_stride)
{
    const bool along_in = layout->pack == AXIS_IN, words_in_rows = layout->pack == layout->slow;
    const size_t word = layout->word_bits / 8u;
    return (struct lanes){
        .count = along_in ? out : in,
        .fields = along_in ? in : out,
        .code_lane = along_in ? code_stride : 1,
        .code_step = along_in ? 1 : code_stride,
        .word_lane = words_in_rows ? word : stored_stride,
        .word_step = words_in_rows ? stored_stride : word,
        .spare = layout->tail == TAIL_SPARE ? (unsigned)layout->word_bits % layout->field_bits : 0,
    };
}

/* Where along the pack axis the code of field f is. */
static size_t place_of(const struct layout *layout, size_t f)
{
    const size_t step = layout->slot_step, ways = layout->slot_ways, in_run = f % (ways * step);
    return step == 1 ? f : f - in_run + in_run % ways * step + in_run / ways;
}

static unsigned middle_of(const struct layout *layout)
{
    return layout->is_signed ? 1u << (layout->code_bits - 1) : 0;
}

static void pack_lanes(const struct layout *layout, struct codes codes, size_t out, size_t in, struct stored stored)
{
    const struct lanes lanes = lanes_of(layout, codes.stride, out, in, stored.stride);
    const unsigned mask = (1u << layout->field_bits) - 1, middle = middle_of(layout);
    for (size_t lane = 0; lane < lanes.count; lane++) {
        uint8_t *word = stored.data + lane * lanes.word_lane;
        uint64_t bits = 0;
        unsigned held = 0;
        for (size_t f = 0; f < lanes.fields; f++) {
            const unsigned code = codes.data[lane * lanes.code_lane + place_of(layout, f) * lanes.code_step];
            bits |= (uint64_t)((code - middle) & mask) << held;
            held += layout->field_bits;
            if (held < layout->word_bits - lanes.spare && f + 1 < lanes.fields)
                continue;
            memcpy(word, &bits, layout->word_bits / 8u);
            word += lanes.word_step;
            bits >>= layout->word_bits;
            held = held > layout->word_bits ? held - layout->word_bits : 0;
        }
        if (held > 0) /* the last field crossed into a word of its own */
            memcpy(word, &bits, layout->word_bits / 8u);
    }
}

static size_t unpack_lanes(const struct layout *layout, struct stored stored, size_t out, size_t in, struct codes codes)
{
    const struct lanes lanes = lanes_of(layout, codes.stride, out, in, stored.stride);
    const unsigned mask = (1u << layout->field_bits) - 1, most = (1u << layout->code_bits) - 1, middle = middle_of(layout);
    size_t bad = 0;
    for (size_t lane = 0; lane < lanes.count; lane++) {
        const uint8_t *word = stored.data + lane * lanes.word_lane;
        uint64_t bits = 0;
        unsigned held = 0;
        for (size_t f = 0; f < lanes.fields; f++) {
            if (held < layout->field_bits + lanes.spare) {
                held = lanes.spare > 0 ? 0 : held;
                bits = lanes.spare > 0 ? 0 : bits;
                uint32_t next = 0;
                memcpy(&next, word, layout->word_bits / 8u);
                word += lanes.word_step;
                bits |= (uint64_t)next << held;
                held += layout->word_bits;
            }
            const unsigned code = ((unsigned)bits + middle) & mask;
            codes.data[lane * lanes.code_lane + place_of(layout, f) * lanes.code_step] = (uint8_t)(code & most);
            bad += code > most;
            bits >>= layout->field_bits;
            held -= layout->field_bits;
        }
    }
    return bad;
}

/* Where the turn of row o that begins at column i is stored, and its codes. Bands are along out: the pack axis is in, the slow axis out. */
static struct stored stored_turn(const struct layout *layout, struct stored stored, size_t o, size_t i)
{
    const size_t rows = layout->band.rows, bytes = layout->band.turn * layout->field_bits / 8u;
    return (struct stored){stored.data + o / rows * stored.stride + (i / layout->band.turn * rows + o % rows) * bytes, stored.stride};
}

static struct codes codes_turn(struct codes codes, size_t o, size_t i)
{
    return (struct codes){codes.data + o * codes.stride + i, codes.stride};
}

void pack_codes_reference(const struct layout *layout, struct codes codes, size_t out, size_t in, struct stored stored)
{
    if (layout->band.rows == 1) {
        pack_lanes(layout, codes, out, in, stored);
        return;
    }
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i += layout->band.turn)
            pack_lanes(layout, codes_turn(codes, o, i), 1, layout->band.turn, stored_turn(layout, stored, o, i));
}

size_t pack_unpack_reference(const struct layout *layout, struct stored stored, size_t out, size_t in, struct codes codes)
{
    size_t bad = 0;
    if (layout->band.rows == 1)
        return unpack_lanes(layout, stored, out, in, codes);
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i += layout->band.turn)
            bad += unpack_lanes(layout, stored_turn(layout, stored, o, i), 1, layout->band.turn, codes_turn(codes, o, i));
    return bad;
}

/* --- dispatch: kernels take whole steps, and edges take a detour through a step of their own ---------------------------------- */

static const struct pack_kernel *kernel_of(const struct layout *layout)
{
    static const struct pack_kernel *const kernels[LAYOUT_COUNT] = {
        [LAYOUT_BYTE_INT4] = &pack_rows_byte_int4,      [LAYOUT_BYTE_INT8] = &pack_rows_byte_int8,      [LAYOUT_NIBBLE_OUT] = &pack_rows_nibble_out,
        [LAYOUT_NIBBLE_IN] = &pack_rows_nibble_in,      [LAYOUT_AWQ_OUT4] = &pack_turn_awq_out4,        [LAYOUT_WORD_IN2] = &pack_turn_word_in2,
        [LAYOUT_WORD_IN3] = &pack_turn_word_in3,        [LAYOUT_WORD_IN4] = &pack_turn_word_in4,        [LAYOUT_WORD_IN8] = &pack_turn_word_in8,
        [LAYOUT_WORD_OUT2] = &pack_lanes_word_out2,     [LAYOUT_WORD_OUT3] = &pack_lanes_word_out3,     [LAYOUT_WORD_OUT4] = &pack_turn_word_out4,
        [LAYOUT_WORD_OUT8] = &pack_turn_word_out8,      [LAYOUT_ROW_IN1] = &pack_rows_row_in1,          [LAYOUT_ROW_IN2] = &pack_rows_row_in2,
        [LAYOUT_ROW_IN3] = &pack_rows_row_in3,          [LAYOUT_ROW_IN4] = &pack_rows_row_in4,          [LAYOUT_ROW_IN5] = &pack_rows_row_in5,
        [LAYOUT_ROW_IN6] = &pack_rows_row_in6,          [LAYOUT_ROW_IN7] = &pack_rows_row_in7,          [LAYOUT_ROW_IN8] = &pack_rows_row_in8,
        [LAYOUT_ROW_OUT1] = &pack_lanes_row_out1,       [LAYOUT_ROW_OUT2] = &pack_lanes_row_out2,       [LAYOUT_ROW_OUT3] = &pack_lanes_row_out3,
        [LAYOUT_ROW_OUT4] = &pack_lanes_row_out4,       [LAYOUT_ROW_OUT5] = &pack_lanes_row_out5,       [LAYOUT_ROW_OUT6] = &pack_lanes_row_out6,
        [LAYOUT_ROW_OUT7] = &pack_lanes_row_out7,       [LAYOUT_ROW_OUT8] = &pack_lanes_row_out8,
    };
    return layout->id < LAYOUT_COUNT ? kernels[layout->id] : NULL;
}

/* A part of a region: out x in codes from (out0, in0). */
struct part {
    size_t out0, out, in0, in;
};

static void copy_rows(const uint8_t *from, size_t from_stride, size_t rows, size_t bytes, uint8_t *to, size_t to_stride)
{
    for (size_t row = 0; row < rows; row++)
        memcpy(to + row * to_stride, from + row * from_stride, bytes);
}

struct region {
    const struct layout *layout;
    const struct pack_kernel *kernel;
    struct codes codes;
    struct stored stored;
    bool packing;
};

/* A part smaller than a step, through buffers of a whole step. Codes are at most 4 bytes each, when one fills a word. */
static size_t run_edge(const struct region *region, struct part part)
{
    uint8_t code[PACK_STEP_MAX * PACK_STEP_MAX] = {0}, word[PACK_STEP_MAX * PACK_STEP_MAX] = {0};
    const struct pack_kernel *kernel = region->kernel;
    const struct layout_rect at = layout_rect(region->layout, part.out0, part.out, part.in0, part.in);
    const struct layout_rect step = layout_rect(region->layout, 0, kernel->out_step, 0, kernel->in_step);
    const size_t rows = (size_t)at.rows, bytes = (size_t)at.bytes;
    uint8_t *codes = region->codes.data + part.out0 * region->codes.stride + part.in0;
    uint8_t *stored = region->stored.data + (size_t)at.row0 * region->stored.stride + (size_t)at.byte0;
    const struct codes step_codes = {code, kernel->in_step};
    const struct stored step_stored = {word, (size_t)step.bytes};
    if (region->packing) {
        copy_rows(codes, region->codes.stride, part.out, part.in, code, step_codes.stride);
        kernel->pack(step_codes, kernel->out_step, kernel->in_step, step_stored);
        copy_rows(word, step_stored.stride, rows, bytes, stored, region->stored.stride);
        return 0;
    }
    copy_rows(stored, region->stored.stride, rows, bytes, word, step_stored.stride);
    const size_t bad = kernel->unpack(step_stored, kernel->out_step, kernel->in_step, step_codes); /* fields of 0 are codes in every row */
    copy_rows(code, step_codes.stride, part.out, part.in, codes, region->codes.stride);
    return bad;
}

static size_t run_edges(const struct region *region, struct part part)
{
    size_t bad = 0;
    const size_t out_step = region->kernel->out_step, in_step = region->kernel->in_step;
    for (size_t o = 0; o < part.out; o += out_step) {
        for (size_t i = 0; i < part.in; i += in_step) {
            const size_t out = part.out - o < out_step ? part.out - o : out_step, in = part.in - i < in_step ? part.in - i : in_step;
            bad += run_edge(region, (struct part){part.out0 + o, out, part.in0 + i, in});
        }
    }
    return bad;
}

static size_t run_region(const struct region *region, size_t out, size_t in)
{
    const struct pack_kernel *kernel = region->kernel;
    const size_t whole_out = out - out % kernel->out_step, whole_in = in - in % kernel->in_step;
    size_t bad = 0;
    if (region->packing)
        kernel->pack(region->codes, whole_out, whole_in, region->stored);
    else
        bad += kernel->unpack(region->stored, whole_out, whole_in, region->codes);
    bad += run_edges(region, (struct part){0, whole_out, whole_in, in - whole_in});
    return bad + run_edges(region, (struct part){whole_out, out - whole_out, 0, in});
}

void pack_codes(const struct layout *layout, struct codes codes, size_t out, size_t in, struct stored stored)
{
    const struct pack_kernel *kernel = kernel_of(layout);
    if (kernel == NULL)
        pack_codes_reference(layout, codes, out, in, stored);
    else
        (void)run_region(&(struct region){layout, kernel, codes, stored, true}, out, in);
}

size_t pack_unpack(const struct layout *layout, struct stored stored, size_t out, size_t in, struct codes codes)
{
    const struct pack_kernel *kernel = kernel_of(layout);
    if (kernel == NULL)
        return pack_unpack_reference(layout, stored, out, in, codes);
    return run_region(&(struct region){layout, kernel, codes, stored, false}, out, in);
}
