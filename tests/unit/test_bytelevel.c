/* GPT-2's alphabet of bytes: all 256, both ways. */
#include "tokenizer/bytelevel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_byte(void **state)
{
    (void)state;
    struct text text = {0}, back = {0};
    bool seen[0x200] = {false};
    for (unsigned byte = 0; byte < 256; byte++) {
        const uint32_t c = bytelevel_character((uint8_t)byte);
        assert_true(c < 0x144 && !seen[c]);
        seen[c] = true;
        const char one = (char)byte;
        text.size = back.size = 0;
        bytelevel_encode((struct slice){&one, 1}, &text);
        assert_true(bytelevel_decode((struct slice){text.data, text.size}, &back));
        assert_int_equal(back.size, 1);
        assert_int_equal((uint8_t)back.data[0], byte);
    }
    assert_int_equal(bytelevel_character(' '), 0x120);
    assert_int_equal(bytelevel_character('\n'), 0x10a);
    assert_int_equal(bytelevel_character(0x7f), 0x121);
    assert_int_equal(bytelevel_character(0xa0), 0x142);
    assert_int_equal(bytelevel_character(0xad), 0x143);
    text_free(&text);
    text_free(&back);
}

static void other_characters(void **state)
{
    (void)state;
    static const char *const bad[] = {"a b", "\xc2\xad", "\xc5\x84", "\xe2\x96\x81", "\xc4", "\n", "\xc2\x80"};
    struct text back = {0};
    text_string(&back, "kept");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(bytelevel_decode(slice_of(bad[i]), &back));
    assert_int_equal(back.size, 4);
    text_free(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte),
        cmocka_unit_test(other_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
