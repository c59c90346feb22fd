/* The published values of XXH3, and the rule of the tensor hash. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void hash_64_is_xxh3(void **state)
{
    (void)state;
    assert_true(hash_64("", 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_64(NULL, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_64("a", 1) == UINT64_C(0xe6c632b61e964e1f));
    assert_true(hash_64("abc", 3) == UINT64_C(0x78af5f94892f3950));
}

static void check_hex(struct digest digest, const char *expected)
{
    char hex[33];
    memset(hex, '#', sizeof hex);
    hash_hex(digest, hex);
    assert_string_equal(hex, expected);
}

/* Canonical is big-endian: the text is what xxhsum -H2 prints. */
static void hash_block_is_canonical(void **state)
{
    (void)state;
    check_hex(hash_block("", 0), "99aa06d3014798d86001c324468d497f");
    check_hex(hash_block("abc", 3), "06b05ab6733a618578af5f94892f3950");
    assert_int_equal(hash_block("abc", 3).byte[0], 0x06);
    assert_int_equal(hash_block("abc", 3).byte[15], 0x50);
}

static void hash_tensor_is_a_hash_of_digests(void **state)
{
    (void)state;
    const struct digest block[2] = {hash_block("abc", 3), hash_block("", 0)};
    uint8_t joined[32];
    memcpy(joined, block[0].byte, 16);
    memcpy(joined + 16, block[1].byte, 16);
    struct digest expected = hash_block(joined, 32), found = hash_tensor(block, 2);
    assert_memory_equal(found.byte, expected.byte, 16);
    expected = hash_block(joined, 16);
    found = hash_tensor(block, 1);
    assert_memory_equal(found.byte, expected.byte, 16);
    check_hex(hash_tensor(NULL, 0), "99aa06d3014798d86001c324468d497f"); /* a tensor of 0 bytes */
    assert_true(HASH_BLOCK_BYTES == 8388608);
}

static void hex_has_leading_zeros(void **state)
{
    (void)state;
    const struct digest digest = {{0x00, 0x01, 0x0a, 0xf0, 0xff, 0x10, 0x7f, 0x80, 0x99, 0xab, 0xcd, 0xef, 0x00, 0x00, 0x00, 0x05}};
    check_hex(digest, "00010af0ff107f8099abcdef00000005");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_64_is_xxh3),
        cmocka_unit_test(hash_block_is_canonical),
        cmocka_unit_test(hash_tensor_is_a_hash_of_digests),
        cmocka_unit_test(hex_has_leading_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
