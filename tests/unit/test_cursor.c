#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void reads_little_endian_in_order(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(bytes, sizeof bytes);
    assert_int_equal(cursor_left(&cursor), 15);
    assert_int_equal(cursor_u8(&cursor), 1);
    assert_true(cursor_u32(&cursor) == UINT32_C(0x05040302));
    assert_true(cursor_u64(&cursor) == UINT64_C(0x0d0c0b0a09080706));
    assert_ptr_equal(cursor_bytes(&cursor, 2), bytes + 13);
    assert_int_equal(cursor_left(&cursor), 0);
    assert_int_equal(cursor.at, 15);
    assert_false(cursor.failed);
    assert_non_null(cursor_bytes(&cursor, 0)); /* nothing is always there */
    assert_false(cursor.failed);
}

/* A failed cursor gives zeros only, also where bytes remain. */
static void check_failed(struct cursor *cursor)
{
    const size_t at = cursor->at;
    assert_true(cursor->failed);
    assert_int_equal(cursor_u8(cursor), 0);
    assert_int_equal(cursor_u32(cursor), 0);
    assert_true(cursor_u64(cursor) == 0);
    assert_null(cursor_bytes(cursor, 0));
    assert_null(cursor_bytes(cursor, 1));
    assert_int_equal(cursor->at, at);
}

static void failure_sticks(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(bytes, 0);
    assert_int_equal(cursor_u8(&cursor), 0);
    check_failed(&cursor);
    cursor = cursor_over(bytes, 3);
    assert_int_equal(cursor_u32(&cursor), 0);
    check_failed(&cursor);
    assert_int_equal(cursor_left(&cursor), 3);
    cursor = cursor_over(bytes, 7);
    assert_true(cursor_u64(&cursor) == 0);
    check_failed(&cursor);
    cursor = cursor_over(bytes, sizeof bytes);
    assert_int_equal(cursor_u8(&cursor), 1);
    assert_null(cursor_bytes(&cursor, 15));
    check_failed(&cursor);
}

static void sizes_from_input_cannot_wrap(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {16, UINT32_MAX, UINT64_MAX - 14, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct cursor cursor = cursor_over(bytes, sizeof bytes);
        assert_int_equal(cursor_u8(&cursor), 1);
        assert_null(cursor_bytes(&cursor, sizes[i]));
        check_failed(&cursor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_little_endian_in_order),
        cmocka_unit_test(failure_sticks),
        cmocka_unit_test(sizes_from_input_cannot_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
