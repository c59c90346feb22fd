#include "ir/view.h"

#include "made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DIR "view.dir"

/* Two matrices u8 [8][3]: element (r, c) of `a` is 10 r + c, and of `b` 100 more. */
static void open_pair(struct made *made)
{
    made_start(made);
    for (int m = 0; m < 2; m++) {
        uint8_t *data = made_add(made, m == 0 ? ROLE_CODES : ROLE_SCALES, m == 0 ? "a" : "b", "U8", "8,3", 24);
        for (int i = 0; i < 24; i++)
            data[i] = (uint8_t)(i / 3 * 10 + i % 3 + 100 * m);
    }
    made_open(made, DIR);
}

static uint32_t add(struct made *made, const char *name, uint64_t rows, uint64_t columns, const struct view *view)
{
    const uint64_t shape[] = {rows, columns};
    const struct tensor tensor = {.name = name, .shape = shape, .rank = 2, .dtype = DTYPE_U8};
    uint32_t index = MODEL_NONE;
    assert_int_equal(model_add_view(&made->model, &tensor, view, &index, &made->err), STATUS_OK);
    return index;
}

/* Every range of the view reads as its expected bytes. */
static void reads_as(struct made *made, uint32_t tensor, const uint8_t *expected, size_t size)
{
    uint8_t data[256];
    for (size_t first = 0; first <= size; first++) {
        for (size_t count = 0; first + count <= size; count++) {
            memset(data, 0xee, sizeof data);
            assert_int_equal(fetch_bytes(&made->fetch, tensor, first, data, count, &made->err), STATUS_OK);
            assert_memory_equal(data, expected + first, count);
            assert_int_equal(data[count], 0xee);
        }
    }
}

static void pieces_stand_below_each_other_and_side_by_side(void **state)
{
    (void)state;
    struct made made;
    open_pair(&made);
    const uint32_t a = model_find(&made.model, slice_of("a")), b = model_find(&made.model, slice_of("b"));
    const struct view_piece pieces[] = {{a, 1}, {b, 5}};
    static const uint8_t below[] = {10, 11, 12, 20, 21, 22, 150, 151, 152, 160, 161, 162};
    static const uint8_t beside[] = {10, 11, 12, 150, 151, 152, 20, 21, 22, 160, 161, 162};
    reads_as(&made, add(&made, "below", 4, 3, &(struct view){.piece = pieces, .down = 2, .across = 1, .rows = 2, .piece_bytes = 3}), below, sizeof below);
    reads_as(&made, add(&made, "beside", 2, 6, &(struct view){.piece = pieces, .down = 1, .across = 2, .rows = 2, .piece_bytes = 3}), beside, sizeof beside);
    assert_int_equal(made.model.tensor[a].fate, FATE_PIECE);
    made_close(&made);
}

/* The worked example of heads of eight rows: pairs are rows 0 4 1 5 2 6 3 7. */
static void turns_are_inverse(void **state)
{
    (void)state;
    static const uint64_t pairs[] = {0, 4, 1, 5, 2, 6, 3, 7};
    for (uint64_t r = 0; r < 24; r++) {
        assert_int_equal(view_turned(TURN_TO_PAIRS, 8, r), r / 8 * 8 + pairs[r % 8]);
        assert_int_equal(view_turned(TURN_TO_HALVES, 8, view_turned(TURN_TO_PAIRS, 8, r)), r);
        assert_int_equal(view_turned(TURN_NONE, 0, r), r);
    }
}

static void heads_turn_and_turn_back(void **state)
{
    (void)state;
    struct made made;
    open_pair(&made);
    const uint32_t a = model_find(&made.model, slice_of("a"));
    const struct view_piece whole = {a, 0};
    const uint32_t turned =
        add(&made, "turned", 8, 3, &(struct view){.piece = &whole, .down = 1, .across = 1, .rows = 8, .piece_bytes = 3, .head = 4, .turn = TURN_TO_PAIRS});
    static const uint8_t expected[] = {0, 1, 2, 20, 21, 22, 10, 11, 12, 30, 31, 32, 40, 41, 42, 60, 61, 62, 50, 51, 52, 70, 71, 72};
    reads_as(&made, turned, expected, sizeof expected);
    const struct view_piece again = {turned, 0};
    const uint32_t back =
        add(&made, "back", 8, 3, &(struct view){.piece = &again, .down = 1, .across = 1, .rows = 8, .piece_bytes = 3, .head = 4, .turn = TURN_TO_HALVES});
    uint8_t stored[24];
    assert_int_equal(fetch_bytes(&made.fetch, a, 0, stored, sizeof stored, &made.err), STATUS_OK);
    reads_as(&made, back, stored, sizeof stored);
    made_close(&made);
}

static void literals_are_their_bytes(void **state)
{
    (void)state;
    struct made made;
    open_pair(&made);
    static const uint8_t bytes[] = {9, 8, 7, 6};
    reads_as(&made, add(&made, "made", 2, 2, &(struct view){.literal = bytes}), bytes, sizeof bytes);
    made_close(&made);
}

static void pieces_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct made made;
    open_pair(&made);
    const uint32_t a = model_find(&made.model, slice_of("a"));
    const struct view_piece whole = {a, 0}, late = {a, 1}, strange = {99, 0};
    const struct view wrong[] = {
        {.piece = &whole, .down = 1, .across = 1, .rows = 7, .piece_bytes = 3},                                          /* too few rows */
        {.piece = &late, .down = 1, .across = 1, .rows = 8, .piece_bytes = 3},                                           /* beyond the piece */
        {.piece = &strange, .down = 1, .across = 1, .rows = 8, .piece_bytes = 3},                                        /* no such tensor */
        {.piece = &whole, .down = 1, .across = 1, .rows = 8, .piece_bytes = UINT64_MAX / 4},                             /* overflow */
        {.piece = &whole, .down = 1, .across = 1, .rows = 8, .piece_bytes = 3, .head = 3, .turn = TURN_TO_PAIRS},        /* odd heads */
        {.piece = &whole, .down = 1, .across = 1, .rows = 8, .piece_bytes = 3, .head = 6, .turn = TURN_TO_PAIRS},        /* a part of a head */
        {.piece = &whole, .down = 1, .across = 1, .rows = 8, .piece_bytes = 3, .head = 0, .turn = TURN_TO_HALVES},       /* no head */
        {.piece = (struct view_piece[]){{a, 0}, {a, 0}}, .down = 1, .across = 2, .rows = 8, .piece_bytes = 3},           /* twice the bytes */
    };
    const uint64_t shape[] = {8, 3};
    const struct tensor tensor = {.name = "v", .shape = shape, .rank = 2, .dtype = DTYPE_U8};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(model_add_view(&made.model, &tensor, &wrong[i], NULL, &made.err), STATUS_CORRUPT);
        assert_int_equal(model_find(&made.model, slice_of("v")), MODEL_NONE);
    }
    made_close(&made);
}

/* Every range of every order of the elements, against the plain formula. */
static void strides_are_followed(void **state)
{
    (void)state;
    struct made made;
    open_pair(&made);
    const uint32_t a = model_find(&made.model, slice_of("a"));
    static const struct {
        uint64_t shape[3], stride[3];
        enum dtype dtype;
        bool swap;
    } cases[] = {
        {{1, 3, 8}, {0, 1, 3}, DTYPE_U8, false},  {{2, 3, 4}, {12, 1, 3}, DTYPE_U8, false}, {{3, 2, 4}, {1, 12, 3}, DTYPE_U8, false},
        {{4, 3, 2}, {3, 1, 12}, DTYPE_U8, false}, {{2, 5, 4}, {0, 0, 2}, DTYPE_U8, false},  {{1, 4, 3}, {0, 1, 4}, DTYPE_F16, false},
        {{1, 3, 4}, {0, 4, 1}, DTYPE_F16, true},  {{1, 2, 3}, {0, 1, 2}, DTYPE_F32, true},  {{2, 2, 2}, {3, 1, 0}, DTYPE_U8, false},
        {{1, 4, 3}, {0, 2, 8}, DTYPE_U8, false},  {{2, 2, 3}, {12, 2, 4}, DTYPE_U8, false}, {{1, 3, 2}, {0, 2, 6}, DTYPE_F16, true}, /* every other column */
    };
    uint8_t stored[24];
    assert_int_equal(fetch_bytes(&made.fetch, a, 0, stored, sizeof stored, &made.err), STATUS_OK);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        const uint64_t *shape = cases[c].shape, *stride = cases[c].stride, unit = dtype_bits(cases[c].dtype) / 8;
        char name[16];
        (void)snprintf(name, sizeof name, "strided%zu", c);
        struct tensor tensor = {.name = name, .shape = shape, .rank = 3, .dtype = cases[c].dtype, .offset = made.model.tensor[a].offset};
        tensor.bytes = shape[0] * shape[1] * shape[2] * unit;
        uint8_t expected[256];
        for (uint64_t e = 0; e < tensor.bytes / unit; e++) {
            const uint64_t at = e / (shape[1] * shape[2]) * stride[0] + e / shape[2] % shape[1] * stride[1] + e % shape[2] * stride[2];
            for (uint64_t b = 0; b < unit; b++)
                expected[e * unit + b] = stored[at * unit + (cases[c].swap ? unit - 1 - b : b)];
        }
        assert_int_equal(model_add_strided(&made.model, &tensor, &(struct view){.stride = stride, .swap = cases[c].swap}, &made.err), STATUS_OK);
        reads_as(&made, model_find(&made.model, slice_of(name)), expected, (size_t)tensor.bytes);
    }
    const uint64_t shape[] = {2, 2}, beyond[] = {1, UINT64_C(1) << 40}, overflow[] = {UINT64_MAX, UINT64_MAX};
    const struct tensor tensor = {.name = "v", .shape = shape, .rank = 2, .dtype = DTYPE_U8, .bytes = 4};
    assert_int_equal(model_add_strided(&made.model, &tensor, &(struct view){.stride = beyond}, &made.err), STATUS_CORRUPT);
    assert_int_equal(model_add_strided(&made.model, &tensor, &(struct view){.stride = overflow}, &made.err), STATUS_CORRUPT);
    made_close(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_stand_below_each_other_and_side_by_side),
        cmocka_unit_test(turns_are_inverse),
        cmocka_unit_test(heads_turn_and_turn_back),
        cmocka_unit_test(literals_are_their_bytes),
        cmocka_unit_test(pieces_that_do_not_fit_are_refused),
        cmocka_unit_test(strides_are_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
