/* The layout table and its geometry. */
#include "codec/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ROW(name, code, field, word, pack, slow, sign, tail) {LAYOUT_##name, NULL, code, field, word, AXIS_##pack, AXIS_##slow, sign, TAIL_##tail, 1, 4, {1, 0}}
#define WORDS(name, bits, pack, slow, tail) ROW(name##bits, bits, bits, 32, pack, slow, false, tail)
#define EVERY_WIDTH(name, pack) \
    WORDS(name, 1, pack, OUT, PADDED), WORDS(name, 2, pack, OUT, PADDED), WORDS(name, 3, pack, OUT, PADDED), WORDS(name, 4, pack, OUT, PADDED), \
        WORDS(name, 5, pack, OUT, PADDED), WORDS(name, 6, pack, OUT, PADDED), WORDS(name, 7, pack, OUT, PADDED), WORDS(name, 8, pack, OUT, PADDED)
#define SPARE_WIDTHS(name, pack) \
    WORDS(name, 3, pack, OUT, SPARE), WORDS(name, 5, pack, OUT, SPARE), WORDS(name, 6, pack, OUT, SPARE), WORDS(name, 7, pack, OUT, SPARE)

static void rows_say_what_the_formats_say(void **state)
{
    (void)state;
    static const struct layout expected[] = {
        ROW(BYTE_INT4, 4, 8, 8, IN, OUT, true, WHOLE),
        ROW(BYTE_INT8, 8, 8, 8, IN, OUT, true, WHOLE),
        ROW(NIBBLE_OUT, 4, 4, 8, OUT, OUT, true, WHOLE),
        ROW(NIBBLE_IN, 4, 4, 8, IN, OUT, true, WHOLE),
        {LAYOUT_BLOCK_IN4, NULL, 4, 4, 8, AXIS_IN, AXIS_OUT, false, TAIL_WHOLE, 16, 2, {1, 0}},
        {LAYOUT_BLOCK_IN5, NULL, 5, 8, 8, AXIS_IN, AXIS_OUT, false, TAIL_WHOLE, 16, 2, {1, 0}},
        {LAYOUT_AWQ_OUT4, NULL, 4, 4, 32, AXIS_OUT, AXIS_IN, false, TAIL_WHOLE, 2, 4, {1, 0}},
        {LAYOUT_AWQ_FAST4, NULL, 4, 4, 16, AXIS_IN, AXIS_OUT, false, TAIL_WHOLE, 8, 4, {4, 64}},
        WORDS(WORD_IN, 2, IN, IN, WHOLE), WORDS(WORD_IN, 3, IN, IN, WHOLE), WORDS(WORD_IN, 4, IN, IN, WHOLE), WORDS(WORD_IN, 8, IN, IN, WHOLE),
        WORDS(WORD_OUT, 2, OUT, IN, WHOLE), WORDS(WORD_OUT, 3, OUT, IN, WHOLE), WORDS(WORD_OUT, 4, OUT, IN, WHOLE), WORDS(WORD_OUT, 8, OUT, IN, WHOLE),
        EVERY_WIDTH(ROW_IN, IN),
        EVERY_WIDTH(ROW_OUT, OUT),
        SPARE_WIDTHS(SPARE_IN, IN),
        SPARE_WIDTHS(SPARE_OUT, OUT),
    };
    assert_int_equal(sizeof expected / sizeof *expected, LAYOUT_COUNT);
    for (int id = 0; id < LAYOUT_COUNT; id++) {
        const struct layout *row = layout_row((enum layout_id)id), *want = &expected[id];
        assert_int_equal(row->id, id);
        assert_int_equal(want->id, id);
        assert_true(strlen(row->text) > 0);
        assert_int_equal(row->code_bits, want->code_bits);
        assert_int_equal(row->field_bits, want->field_bits);
        assert_int_equal(row->word_bits, want->word_bits);
        assert_int_equal(row->pack, want->pack);
        assert_int_equal(row->slow, want->slow);
        assert_int_equal(row->is_signed, want->is_signed);
        assert_int_equal(row->tail, want->tail);
        assert_int_equal(row->slot_step, want->slot_step);
        assert_int_equal(row->slot_ways, want->slot_ways);
        assert_int_equal(row->band.rows, want->band.rows);
        assert_int_equal(row->band.turn, want->band.turn);
    }
}

static void runs_end_on_words(void **state)
{
    (void)state;
    static const uint64_t run[LAYOUT_COUNT] = {
        [LAYOUT_BYTE_INT4] = 1, [LAYOUT_BYTE_INT8] = 1, [LAYOUT_NIBBLE_OUT] = 2, [LAYOUT_NIBBLE_IN] = 2, [LAYOUT_AWQ_OUT4] = 8,
        [LAYOUT_BLOCK_IN4] = 32,  [LAYOUT_BLOCK_IN5] = 32,
        [LAYOUT_AWQ_FAST4] = 64, [LAYOUT_WORD_IN2] = 16, [LAYOUT_WORD_IN3] = 32, [LAYOUT_WORD_IN4] = 8,   [LAYOUT_WORD_IN8] = 4,
        [LAYOUT_WORD_OUT2] = 16, [LAYOUT_WORD_OUT3] = 32, [LAYOUT_WORD_OUT4] = 8, [LAYOUT_WORD_OUT8] = 4,
        [LAYOUT_ROW_IN1] = 32,  [LAYOUT_ROW_IN2] = 16,  [LAYOUT_ROW_IN3] = 32,   [LAYOUT_ROW_IN4] = 8,
        [LAYOUT_ROW_IN5] = 32,  [LAYOUT_ROW_IN6] = 16,  [LAYOUT_ROW_IN7] = 32,   [LAYOUT_ROW_IN8] = 4,
        [LAYOUT_ROW_OUT1] = 32, [LAYOUT_ROW_OUT2] = 16, [LAYOUT_ROW_OUT3] = 32,  [LAYOUT_ROW_OUT4] = 8,
        [LAYOUT_ROW_OUT5] = 32, [LAYOUT_ROW_OUT6] = 16, [LAYOUT_ROW_OUT7] = 32,  [LAYOUT_ROW_OUT8] = 4,
        [LAYOUT_SPARE_IN3] = 10, [LAYOUT_SPARE_IN5] = 6, [LAYOUT_SPARE_IN6] = 5, [LAYOUT_SPARE_IN7] = 4,
        [LAYOUT_SPARE_OUT3] = 10, [LAYOUT_SPARE_OUT5] = 6, [LAYOUT_SPARE_OUT6] = 5, [LAYOUT_SPARE_OUT7] = 4,
    };
    for (int id = 0; id < LAYOUT_COUNT; id++)
        assert_int_equal(layout_run(layout_row((enum layout_id)id)), run[id]);
    const struct layout *spare = layout_row(LAYOUT_SPARE_IN3), *stream = layout_row(LAYOUT_WORD_IN3);
    assert_int_equal(layout_align(spare, AXIS_IN), 10);
    assert_int_equal(layout_align(spare, AXIS_OUT), 1);
    assert_int_equal(layout_common_align(spare, stream, AXIS_IN), 160);
    assert_int_equal(layout_common_align(spare, stream, AXIS_OUT), 1);
    const struct layout *fast = layout_row(LAYOUT_AWQ_FAST4);
    assert_int_equal(layout_align(fast, AXIS_IN), 64);
    assert_int_equal(layout_align(fast, AXIS_OUT), 4);
    assert_int_equal(layout_common_align(fast, layout_row(LAYOUT_AWQ_OUT4), AXIS_OUT), 8);
    assert_int_equal(layout_words(fast, 128), 32);
    const struct layout_span span = layout_span(fast, 3, 5, 48);
    assert_int_equal(span.first, 12);
    assert_int_equal(span.count, 20);
}

static void sizes_follow_from_the_row(void **state)
{
    (void)state;
    static const uint64_t size[LAYOUT_COUNT][2] = { /* of 48 x 64 codes */
        [LAYOUT_BYTE_INT4] = {48, 64}, [LAYOUT_BYTE_INT8] = {48, 64},      [LAYOUT_NIBBLE_OUT] = {24, 64},
        [LAYOUT_BLOCK_IN4] = {48, 32},  [LAYOUT_BLOCK_IN5] = {48, 64},
        [LAYOUT_NIBBLE_IN] = {48, 32},  [LAYOUT_AWQ_OUT4] = {64, 4 * 6},    [LAYOUT_WORD_IN4] = {8, 4 * 48},
        [LAYOUT_WORD_IN8] = {16, 4 * 48}, [LAYOUT_WORD_OUT4] = {64, 4 * 6}, [LAYOUT_WORD_OUT8] = {64, 4 * 12},
        [LAYOUT_WORD_IN2] = {4, 4 * 48}, [LAYOUT_WORD_IN3] = {6, 4 * 48}, [LAYOUT_WORD_OUT2] = {64, 4 * 3}, [LAYOUT_ROW_IN1] = {48, 4 * 2},
        [LAYOUT_ROW_IN2] = {48, 4 * 4}, [LAYOUT_ROW_IN3] = {48, 4 * 6}, [LAYOUT_ROW_IN4] = {48, 4 * 8}, [LAYOUT_ROW_IN5] = {48, 4 * 10},
        [LAYOUT_ROW_IN6] = {48, 4 * 12}, [LAYOUT_ROW_IN7] = {48, 4 * 14}, [LAYOUT_ROW_IN8] = {48, 4 * 16}, [LAYOUT_ROW_OUT1] = {2, 4 * 64},
        [LAYOUT_ROW_OUT2] = {3, 4 * 64}, [LAYOUT_ROW_OUT3] = {5, 4 * 64}, [LAYOUT_ROW_OUT4] = {6, 4 * 64}, [LAYOUT_ROW_OUT5] = {8, 4 * 64},
        [LAYOUT_ROW_OUT6] = {9, 4 * 64}, [LAYOUT_ROW_OUT7] = {11, 4 * 64}, [LAYOUT_ROW_OUT8] = {12, 4 * 64}, [LAYOUT_SPARE_IN3] = {48, 4 * 7},
        [LAYOUT_SPARE_IN5] = {48, 4 * 11}, [LAYOUT_SPARE_IN6] = {48, 4 * 13}, [LAYOUT_SPARE_IN7] = {48, 4 * 16}, [LAYOUT_SPARE_OUT3] = {5, 4 * 64},
        [LAYOUT_SPARE_OUT5] = {8, 4 * 64}, [LAYOUT_SPARE_OUT6] = {10, 4 * 64}, [LAYOUT_SPARE_OUT7] = {12, 4 * 64},
        [LAYOUT_AWQ_FAST4] = {12, 2 * 64},
    };
    uint64_t rows, row_bytes;
    for (int id = 0; id < LAYOUT_COUNT; id++) {
        if (id == LAYOUT_WORD_OUT3) /* 48 is no multiple of 32 */
            continue;
        assert_true(layout_size(layout_row((enum layout_id)id), 48, 64, &rows, &row_bytes));
        assert_int_equal(rows, size[id][0]);
        assert_int_equal(row_bytes, size[id][1]);
    }
    assert_true(layout_size(layout_row(LAYOUT_WORD_OUT3), 64, 48, &rows, &row_bytes));
    assert_int_equal(rows, 48);
    assert_int_equal(row_bytes, 4 * 6);
}

static void sizes_refuse_half_words(void **state)
{
    (void)state;
    uint64_t rows, row_bytes;
    assert_false(layout_size(layout_row(LAYOUT_NIBBLE_OUT), 3, 4, &rows, &row_bytes));
    assert_true(layout_size(layout_row(LAYOUT_NIBBLE_OUT), 4, 3, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_NIBBLE_IN), 4, 3, &rows, &row_bytes));
    assert_true(layout_size(layout_row(LAYOUT_NIBBLE_IN), 3, 4, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_AWQ_OUT4), 12, 8, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_WORD_IN4), 8, 12, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_WORD_IN8), 8, 6, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_WORD_OUT8), 6, 8, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_WORD_IN3), 1, 48, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_WORD_OUT3), 48, 1, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_AWQ_FAST4), 6, 64, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_AWQ_FAST4), 4, 96, &rows, &row_bytes));
}

static void sizes_refuse_overflow(void **state)
{
    (void)state;
    uint64_t rows, row_bytes;
    const uint64_t half = UINT64_C(1) << 32, large = UINT64_C(1) << 63;
    for (int id = 0; id < LAYOUT_COUNT; id++) {
        assert_false(layout_size(layout_row((enum layout_id)id), large, large, &rows, &row_bytes));
        assert_false(layout_size(layout_row((enum layout_id)id), half * 4, half * 4, &rows, &row_bytes));
    }
    assert_false(layout_size(layout_row(LAYOUT_BYTE_INT8), half, half, &rows, &row_bytes));
    assert_true(layout_size(layout_row(LAYOUT_BYTE_INT8), half, half - 1, &rows, &row_bytes));
    assert_false(layout_size(layout_row(LAYOUT_WORD_IN4), large, 8, &rows, &row_bytes)); /* the row's bytes alone */
}

static void rect_is(const struct layout *layout, const uint64_t area[4], const uint64_t expected[4])
{
    const struct layout_rect rect = layout_rect(layout, area[0], area[1], area[2], area[3]);
    assert_int_equal(rect.row0, expected[0]);
    assert_int_equal(rect.rows, expected[1]);
    assert_int_equal(rect.byte0, expected[2]);
    assert_int_equal(rect.bytes, expected[3]);
}

static void rects_cover_their_codes(void **state)
{
    (void)state;
    const uint64_t area[4] = {16, 24, 32, 64}; /* out0, out, in0, in */
    rect_is(layout_row(LAYOUT_BYTE_INT4), area, (const uint64_t[]){16, 24, 32, 64});
    rect_is(layout_row(LAYOUT_BYTE_INT8), area, (const uint64_t[]){16, 24, 32, 64});
    rect_is(layout_row(LAYOUT_NIBBLE_OUT), area, (const uint64_t[]){8, 12, 32, 64});
    rect_is(layout_row(LAYOUT_NIBBLE_IN), area, (const uint64_t[]){16, 24, 16, 32});
    rect_is(layout_row(LAYOUT_AWQ_OUT4), area, (const uint64_t[]){32, 64, 8, 12});
    rect_is(layout_row(LAYOUT_WORD_IN4), area, (const uint64_t[]){4, 8, 64, 96});
    rect_is(layout_row(LAYOUT_WORD_IN8), area, (const uint64_t[]){8, 16, 64, 96});
    rect_is(layout_row(LAYOUT_WORD_OUT4), area, (const uint64_t[]){32, 64, 8, 12});
    rect_is(layout_row(LAYOUT_WORD_OUT8), area, (const uint64_t[]){32, 64, 16, 24});
    rect_is(layout_row(LAYOUT_WORD_IN3), area, (const uint64_t[]){3, 6, 64, 96});
    rect_is(layout_row(LAYOUT_ROW_IN3), area, (const uint64_t[]){16, 24, 12, 24});
    rect_is(layout_row(LAYOUT_ROW_OUT4), area, (const uint64_t[]){2, 3, 128, 256});
    rect_is(layout_row(LAYOUT_SPARE_IN7), area, (const uint64_t[]){16, 24, 32, 64});
    rect_is(layout_row(LAYOUT_AWQ_FAST4), (const uint64_t[]){16, 24, 64, 128}, (const uint64_t[]){4, 6, 128, 256});
    rect_is(layout_row(LAYOUT_ROW_IN3), (const uint64_t[]){0, 1, 64, 11}, (const uint64_t[]){0, 1, 24, 8}); /* 33 bits end in a second word */
    rect_is(layout_row(LAYOUT_SPARE_IN3), (const uint64_t[]){0, 1, 20, 11}, (const uint64_t[]){0, 1, 8, 8});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_say_what_the_formats_say), cmocka_unit_test(runs_end_on_words),     cmocka_unit_test(sizes_follow_from_the_row),
        cmocka_unit_test(sizes_refuse_half_words),       cmocka_unit_test(sizes_refuse_overflow), cmocka_unit_test(rects_cover_their_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
