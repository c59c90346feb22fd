#include "base/le.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Every position is unaligned for some width. */
static void loads_from_any_address(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88};
    for (size_t shift = 0; shift < 8; shift++) {
        uint8_t buffer[16] = {0};
        memcpy(buffer + shift, bytes, sizeof bytes);
        assert_int_equal(le_load16(buffer + shift), 0x8201);
        assert_true(le_load32(buffer + shift) == UINT32_C(0x84038201));
        assert_true(le_load64(buffer + shift) == UINT64_C(0x8807860584038201));
    }
    static const uint8_t one_and_a_half[] = {0, 0, 0, 0xc0, 0x3f};
    assert_true(le_load_f32(one_and_a_half + 1) == 1.5f);
}

static void stores_what_loads_read(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        uint8_t buffer[18];
        memset(buffer, 0xee, sizeof buffer);
        le_store16(buffer + 1 + shift, 0x8201);
        assert_memory_equal(buffer + shift, "\xee\x01\x82\xee", 4);
        le_store32(buffer + 1 + shift, UINT32_C(0x84038201));
        assert_memory_equal(buffer + shift, "\xee\x01\x82\x03\x84\xee", 6);
        le_store64(buffer + 1 + shift, UINT64_C(0x8807860584038201));
        assert_memory_equal(buffer + shift, "\xee\x01\x82\x03\x84\x05\x86\x07\x88\xee", 10);
        le_store_f32(buffer + 1 + shift, -2.0f);
        assert_memory_equal(buffer + shift, "\xee\x00\x00\x00\xc0\x05", 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loads_from_any_address), cmocka_unit_test(stores_what_loads_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
