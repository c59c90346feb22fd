/* Packing: golden words of the formats, every code in every slot, and the fast kernels against the reference. */
#include "codec/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CANARY 0xa5
#define MARGIN 80 /* bytes before and after each buffer that nothing may touch */

static const struct layout two_bits_signed = {LAYOUT_COUNT, "int2 in a byte", 2, 2, 8, AXIS_IN, AXIS_OUT, true, TAIL_WHOLE, 1, 4, {1, 0}};

/* All rows: the table's, then one made here, which has no fast kernel. */
#define EXTRA_COUNT 1
static const struct layout *row_at(size_t i)
{
    return i < LAYOUT_COUNT ? layout_row((enum layout_id)i) : &two_bits_signed;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* --- golden words ----------------------------------------------------------------------------------------------------------- */

/* Packs out x in codes both ways of calling, compares with the words, and reads them back. */
static void golden(const struct layout *layout, const uint8_t *code, size_t out, size_t in, const void *expected, size_t bytes)
{
    uint8_t stored[64], back[64], source[64];
    uint64_t rows, row_bytes;
    assert_true(layout_size(layout, out, in, &rows, &row_bytes));
    assert_int_equal(rows * row_bytes, bytes);
    memcpy(source, code, out * in);
    pack_codes_reference(layout, (struct codes){source, in}, out, in, (struct stored){stored, (size_t)row_bytes});
    assert_memory_equal(stored, expected, bytes);
    memset(stored, CANARY, sizeof stored);
    pack_codes(layout, (struct codes){source, in}, out, in, (struct stored){stored, (size_t)row_bytes});
    assert_memory_equal(stored, expected, bytes);
    assert_int_equal(pack_unpack_reference(layout, (struct stored){stored, (size_t)row_bytes}, out, in, (struct codes){back, in}), 0);
    assert_memory_equal(back, code, out * in);
    memset(back, CANARY, sizeof back);
    assert_int_equal(pack_unpack(layout, (struct stored){stored, (size_t)row_bytes}, out, in, (struct codes){back, in}), 0);
    assert_memory_equal(back, code, out * in);
}

static void golden_words(void **state)
{
    (void)state;
    static const uint8_t eight[8] = {0, 1, 2, 3, 4, 5, 6, 7}, bytes[4] = {0x10, 0x32, 0x54, 0x76};
    const uint32_t awq = 0x75316420, natural = 0x76543210;
    golden(layout_row(LAYOUT_AWQ_OUT4), eight, 8, 1, &awq, 4);
    golden(layout_row(LAYOUT_WORD_OUT4), eight, 8, 1, &natural, 4);
    golden(layout_row(LAYOUT_WORD_IN4), eight, 1, 8, &natural, 4);
    golden(layout_row(LAYOUT_WORD_IN8), bytes, 1, 4, &natural, 4);
    golden(layout_row(LAYOUT_WORD_OUT8), bytes, 4, 1, &natural, 4);
    golden(layout_row(LAYOUT_ROW_OUT4), eight, 8, 1, &natural, 4);
    golden(layout_row(LAYOUT_ROW_OUT8), bytes, 4, 1, &natural, 4);
}

/* test/cases/pytorch/msmodelslim/test_pack_int.py of msModelSlim: rows [1,2,3,4], [5,6,7,8]. */
static void golden_bytes_of_msmodelslim(void **state)
{
    (void)state;
    static const uint8_t code[8] = {9, 10, 11, 12, 13, 14, 15, 0}; /* signed 1..8, where 8 wraps to -8 */
    static const int8_t per_channel[4] = {33, 67, 101, -121}, per_group[4] = {81, 98, 115, -124}, plain[8] = {1, 2, 3, 4, 5, 6, 7, -8};
    golden(layout_row(LAYOUT_NIBBLE_IN), code, 2, 4, per_channel, 4);
    golden(layout_row(LAYOUT_NIBBLE_OUT), code, 2, 4, per_group, 4);
    golden(layout_row(LAYOUT_BYTE_INT4), code, 2, 4, plain, 8);
    static const uint8_t wide[4] = {0, 127, 128, 255};
    static const int8_t wide_bytes[4] = {-128, -1, 0, 127};
    golden(layout_row(LAYOUT_BYTE_INT8), wide, 2, 2, wide_bytes, 4);
}

static void golden_streams(void **state)
{
    (void)state;
    uint8_t code[32];
    const uint32_t counted[3] = {0x88FAC688, 0xC688FAC6, 0xFAC688FA}, mixed[3] = {0x53977053, 0x70539770, 0x97705397};
    const uint32_t middle[3] = {0x24924924, 0x49249249, 0x92492492}, two[2] = {0xE4E4E4E4, 0xE4E4E4E4};
    for (unsigned i = 0; i < 32; i++)
        code[i] = (uint8_t)(i % 8);
    golden(layout_row(LAYOUT_WORD_IN3), code, 1, 32, counted, 12);
    golden(layout_row(LAYOUT_WORD_OUT3), code, 32, 1, counted, 12);
    for (unsigned i = 0; i < 32; i++)
        code[i] = (uint8_t)((7 * i + 3) % 8);
    golden(layout_row(LAYOUT_WORD_IN3), code, 1, 32, mixed, 12);
    memset(code, 4, sizeof code);
    golden(layout_row(LAYOUT_WORD_IN3), code, 1, 32, middle, 12);
    for (unsigned i = 0; i < 32; i++)
        code[i] = (uint8_t)(i % 4);
    golden(layout_row(LAYOUT_WORD_IN2), code, 1, 32, two, 8);
    golden(layout_row(LAYOUT_ROW_IN2), code, 1, 32, two, 8);
    golden(layout_row(LAYOUT_ROW_OUT2), code, 32, 1, two, 8);
    const uint32_t tail[2] = {0x88FAC688, 0x6}, spare[2] = {0x08FAC688, 0x1A}; /* 3 bits, codes i mod 8: 12 in a stream, 12 at ten a word */
    for (unsigned i = 0; i < 12; i++)
        code[i] = (uint8_t)(i % 8);
    golden(layout_row(LAYOUT_ROW_IN3), code, 1, 12, tail, 8);
    golden(layout_row(LAYOUT_ROW_OUT3), code, 12, 1, tail, 8);
    golden(layout_row(LAYOUT_SPARE_IN3), code, 1, 12, spare, 8);
    golden(layout_row(LAYOUT_SPARE_OUT3), code, 12, 1, spare, 8);
}

/* Rows of code (k / 4 + n) mod 16: the first of the four, whose 16 words come before the second's, takes columns 0 8 16 24 in a word, then 1 9 17 25. */
static void golden_words_of_awq_fast(void **state)
{
    (void)state;
    static const uint16_t first[20] = {0x6420, 0x6420, 0x6420, 0x6420, 0x7531, 0x7531, 0x7531, 0x7531, 0xECA8, 0xECA8,
                                       0xECA8, 0xECA8, 0xFDB9, 0xFDB9, 0xFDB9, 0xFDB9, 0x7531, 0x7531, 0x7531, 0x7531};
    const struct layout *layout = layout_row(LAYOUT_AWQ_FAST4);
    uint8_t code[4 * 64], stored[128], back[4 * 64];
    for (unsigned i = 0; i < sizeof code; i++)
        code[i] = (uint8_t)((i % 64 / 4 + i / 64) % 16);
    pack_codes(layout, (struct codes){code, 64}, 4, 64, (struct stored){stored, 128});
    assert_memory_equal(stored, first, sizeof first);
    assert_int_equal(pack_unpack(layout, (struct stored){stored, 128}, 4, 64, (struct codes){back, 64}), 0);
    assert_memory_equal(back, code, sizeof code);
}

/* --- every code in every slot ----------------------------------------------------------------------------------------------- */

/* The stored bit of bit `nth` of code (o, i), from the words of layout.def alone: no code shared with the packer. */
static size_t bit_of(const struct layout *layout, size_t out, size_t in, const size_t place_of[2], size_t nth)
{
    const size_t place = place_of[layout->pack == AXIS_IN], other = place_of[layout->pack != AXIS_IN];
    const size_t packed = layout->pack == AXIS_IN ? in : out, others = layout->pack == AXIS_IN ? out : in;
    if (layout->id == LAYOUT_AWQ_FAST4) {
        /* the word at t of a run of 64 holds in nibble i the column whose place in a run of 32 is 8 d + 2 a + c, where 4 (t % 16) + i = 8 a + 4 c + d */
        const size_t column = place % 64, d = column % 32 / 8, a = column % 8 / 2, c = column % 2, at = column / 32 * 32 + 8 * a + 4 * c + d;
        const size_t t = other % 4 * 16 + at / 4;
        return (other / 4 * in + place / 64 * 64 + t) * 16 + at % 4 * 4 + nth;
    }
    size_t field = place;
    if (layout->id == LAYOUT_AWQ_OUT4) {
        static const size_t nibble_of_column[8] = {0, 4, 1, 5, 2, 6, 3, 7};
        field = place / 8 * 8 + nibble_of_column[place % 8];
    }
    if (layout->id == LAYOUT_BLOCK_IN4 || layout->id == LAYOUT_BLOCK_IN5) /* byte j of a block holds codes j and j + 16 */
        field = place / 32 * 32 + place % 16 * 2 + place / 16 % 2;
    const size_t field_bits = layout->field_bits, all = layout->word_bits;
    const size_t word_bits = layout->tail == TAIL_SPARE ? all / field_bits * field_bits : all;
    const size_t bit = field * layout->field_bits + nth, word = bit / word_bits, words = (packed * layout->field_bits + word_bits - 1) / word_bits;
    const size_t index = layout->pack == layout->slow ? word * others + other : other * words + word;
    return index * layout->word_bits + bit % word_bits;
}

static void one_code_alone(const struct layout *layout, size_t out, size_t in, size_t at, unsigned value)
{
    uint8_t code[1024], back[1024], stored[4096], expected[4096] = {0};
    uint64_t rows, row_bytes;
    assert_true(layout_size(layout, out, in, &rows, &row_bytes));
    assert_true(rows * row_bytes <= sizeof stored);
    const unsigned middle = layout->is_signed ? 1u << (layout->code_bits - 1) : 0, field = (value - middle) & ((1u << layout->field_bits) - 1);
    memset(code, (int)middle, out * in); /* fields of 0 everywhere else */
    code[at] = (uint8_t)value;
    for (unsigned nth = 0; nth < layout->field_bits; nth++) {
        const size_t bit = bit_of(layout, out, in, (const size_t[2]){at / in, at % in}, nth);
        expected[bit / 8] = (uint8_t)(expected[bit / 8] | (field >> nth & 1) << bit % 8);
    }
    pack_codes(layout, (struct codes){code, in}, out, in, (struct stored){stored, (size_t)row_bytes});
    assert_memory_equal(stored, expected, (size_t)(rows * row_bytes));
    assert_int_equal(pack_unpack(layout, (struct stored){stored, (size_t)row_bytes}, out, in, (struct codes){back, in}), 0);
    assert_memory_equal(back, code, out * in);
}

static void every_code_in_every_slot(void **state)
{
    (void)state;
    for (int id = 0; id < LAYOUT_COUNT; id++) {
        const struct layout *layout = layout_row((enum layout_id)id);
        const size_t run = (size_t)layout_run(layout), longer = layout->tail == TAIL_WHOLE ? 0 : 3; /* with a tail where there may be one */
        const size_t turns = layout->band.rows > 1 ? 2 : 1;
        const size_t out = layout->pack == AXIS_OUT && run > 1 ? run + longer : 8, in = layout->pack == AXIS_IN && run > 1 ? turns * run + longer : 8;
        for (size_t at = 0; at < out * in; at++)
            for (unsigned value = 0; value < 1u << layout->code_bits; value++)
                one_code_alone(layout, out, in, at, value);
    }
}

/* --- bytes that are no code -------------------------------------------------------------------------------------------------- */

static void bad_bytes_are_counted(void **state)
{
    (void)state;
    const struct layout *layout = layout_row(LAYOUT_BYTE_INT4);
    const size_t out = 5, in = 131, stride = 160;
    uint8_t stored[5 * 160], code[5 * 160], reference[5 * 160];
    uint64_t seed = 7;
    for (size_t round = 0; round < 200; round++) {
        size_t bad = 0;
        memset(stored, 0x7f, sizeof stored); /* the gaps between rows hold no codes */
        for (size_t o = 0; o < out; o++) {
            for (size_t i = 0; i < in; i++) {
                const uint64_t random = next_random(&seed);
                const int value = random % 64 < round ? (int)(random >> 32 & 255) - 128 : (int)(random >> 32 & 15) - 8;
                stored[o * stride + i] = (uint8_t)value;
                bad += value < -8 || value > 7;
            }
        }
        assert_int_equal(pack_unpack_reference(layout, (struct stored){stored, stride}, out, in, (struct codes){reference, in}), bad);
        assert_int_equal(pack_unpack(layout, (struct stored){stored, stride}, out, in, (struct codes){code, in}), bad);
        assert_memory_equal(code, reference, out * in);
    }
    for (unsigned value = 0; value < 256; value++) { /* every byte alone among good ones */
        memset(stored, 0, sizeof stored);
        stored[2 * stride + value % in] = (uint8_t)value;
        const size_t bad = value > 7 && value < 248;
        assert_int_equal(pack_unpack(layout, (struct stored){stored, stride}, out, in, (struct codes){code, in}), bad);
    }
}

/* --- fast against reference -------------------------------------------------------------------------------------------------- */

struct guarded {
    uint8_t *all, *data;
    size_t bytes;
};

/* `bytes` bytes at an odd place between margins, everything CANARY. */
static struct guarded guarded_new(size_t bytes)
{
    struct guarded guarded = {.bytes = bytes + 2 * MARGIN};
    guarded.all = malloc(guarded.bytes);
    assert_non_null(guarded.all);
    memset(guarded.all, CANARY, guarded.bytes);
    guarded.data = guarded.all + MARGIN;
    return guarded;
}

struct shape {
    size_t out, in;
    size_t code_gap, stored_gap; /* bytes between the end of a row and the next */
};

/* Random codes through pack and unpack by both ways; buffers are compared whole, so that gaps and margins must stay as they were. */
static void compare_ways(const struct layout *layout, struct shape shape, uint64_t *seed)
{
    uint64_t rows, row_bytes;
    assert_true(layout_size(layout, shape.out, shape.in, &rows, &row_bytes));
    const size_t code_stride = shape.in + shape.code_gap, stride = (size_t)row_bytes + shape.stored_gap;
    struct guarded code = guarded_new(shape.out * code_stride), fast = guarded_new((size_t)rows * stride), slow = guarded_new((size_t)rows * stride);
    for (size_t o = 0; o < shape.out; o++)
        for (size_t i = 0; i < shape.in; i++)
            code.data[o * code_stride + i] = (uint8_t)(next_random(seed) >> 32 & ((1u << layout->code_bits) - 1));
    pack_codes_reference(layout, (struct codes){code.data, code_stride}, shape.out, shape.in, (struct stored){slow.data, stride});
    pack_codes(layout, (struct codes){code.data, code_stride}, shape.out, shape.in, (struct stored){fast.data, stride});
    assert_memory_equal(fast.all, slow.all, fast.bytes);
    struct guarded back = guarded_new(shape.out * code_stride);
    assert_int_equal(pack_unpack_reference(layout, (struct stored){slow.data, stride}, shape.out, shape.in, (struct codes){back.data, code_stride}), 0);
    assert_memory_equal(back.all, code.all, code.bytes);
    memset(back.all, CANARY, back.bytes);
    assert_int_equal(pack_unpack(layout, (struct stored){slow.data, stride}, shape.out, shape.in, (struct codes){back.data, code_stride}), 0);
    assert_memory_equal(back.all, code.all, code.bytes);
    free(code.all), free(fast.all), free(slow.all), free(back.all);
}

static void fast_is_the_reference(void **state)
{
    (void)state;
    for (size_t row = 0; row < LAYOUT_COUNT + EXTRA_COUNT; row++) {
        const struct layout *layout = row_at(row);
        const bool whole = layout->tail == TAIL_WHOLE; /* others end anywhere */
        const size_t out_run = whole ? (size_t)layout_align(layout, AXIS_OUT) : 1, in_run = whole ? (size_t)layout_align(layout, AXIS_IN) : 1;
        uint64_t seed = 0x9e3779b97f4a7c15u + row;
        for (size_t round = 0; round < 300; round++) {
            const size_t most = round % 10 == 0 ? 300 : 80; /* past several blocks of every kernel, and mostly small tails */
            struct shape shape = {
                .out = (1 + next_random(&seed) % most / out_run) * out_run,
                .in = (1 + next_random(&seed) % most / in_run) * in_run,
                .code_gap = next_random(&seed) % 3 * 17,
                .stored_gap = next_random(&seed) % 3 * 23,
            };
            if (round % 4 == 1) { /* whole blocks */
                shape.out = (shape.out + 63) / 64 * 64;
                shape.in = (shape.in + 63) / 64 * 64;
            }
            compare_ways(layout, shape, &seed);
        }
    }
}

/* Words of any bits, those past the last code among them: both ways read the same codes. */
static void any_words_are_read_alike(void **state)
{
    (void)state;
    for (size_t row = 0; row < LAYOUT_COUNT + EXTRA_COUNT; row++) {
        const struct layout *layout = row_at(row);
        const uint64_t whole = layout->tail == TAIL_WHOLE ? layout_run(layout) : 1;
        const size_t band = layout->band.rows;
        const size_t out_run = layout->pack == AXIS_OUT ? (size_t)whole : band, in_run = layout->pack == AXIS_IN ? (size_t)whole : band;
        uint64_t seed = 0x2545f4914f6cdd1du + row, rows, row_bytes;
        for (size_t round = 0; round < 60; round++) {
            const size_t out = (1 + next_random(&seed) % 90 / out_run) * out_run, in = (1 + next_random(&seed) % 90 / in_run) * in_run;
            assert_true(layout_size(layout, out, in, &rows, &row_bytes));
            struct guarded stored = guarded_new((size_t)(rows * row_bytes)), fast = guarded_new(out * in), slow = guarded_new(out * in);
            for (size_t i = 0; i < rows * row_bytes; i++)
                stored.data[i] = (uint8_t)(next_random(&seed) >> 32);
            const struct stored at = {stored.data, (size_t)row_bytes};
            const size_t bad = pack_unpack_reference(layout, at, out, in, (struct codes){slow.data, in});
            assert_int_equal(pack_unpack(layout, at, out, in, (struct codes){fast.data, in}), bad);
            assert_memory_equal(fast.all, slow.all, fast.bytes);
            free(stored.all), free(fast.all), free(slow.all);
        }
    }
}

static void empty_regions_touch_nothing(void **state)
{
    (void)state;
    for (size_t row = 0; row < LAYOUT_COUNT + EXTRA_COUNT; row++) {
        struct guarded guarded = guarded_new(64);
        const struct layout *layout = row_at(row);
        pack_codes(layout, (struct codes){guarded.data, 8}, 0, 0, (struct stored){guarded.data, 8});
        assert_int_equal(pack_unpack(layout, (struct stored){guarded.data, 8}, 0, 0, (struct codes){guarded.data, 8}), 0);
        for (size_t i = 0; i < guarded.bytes; i++)
            assert_int_equal(guarded.all[i], CANARY);
        free(guarded.all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_words),          cmocka_unit_test(golden_bytes_of_msmodelslim), cmocka_unit_test(golden_streams),
        cmocka_unit_test(every_code_in_every_slot), cmocka_unit_test(bad_bytes_are_counted),    cmocka_unit_test(fast_is_the_reference),
        cmocka_unit_test(any_words_are_read_alike), cmocka_unit_test(empty_regions_touch_nothing),
        cmocka_unit_test(golden_words_of_awq_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
