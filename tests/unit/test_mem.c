/* mem, and the arena that mem.h brings along. */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_zero(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(((const unsigned char *)data)[i], 0);
}

static void assert_out_of_memory(const struct err *err)
{
    assert_int_equal(err->status, STATUS_LIMIT);
    assert_string_equal(err->what, "out of memory");
}

static void alloc_gives_zeroed_bytes(void **state)
{
    (void)state;
    struct err err;
    unsigned char *data = mem_alloc(1000, 24, &err);
    assert_non_null(data);
    assert_zero(data, 24000);
    memset(data, 0xff, 24000);
    free(data);
    data = mem_alloc(0, 24, &err);
    assert_non_null(data);
    free(data);
    data = mem_alloc(24, 0, &err);
    assert_non_null(data);
    free(data);
}

static void alloc_refuses_what_overflows(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        size_t size;
    } cases[] = {{UINT64_MAX, 1}, {UINT64_MAX, 8}, {UINT64_C(1) << 61, 8}, {(UINT64_C(1) << 62) + 1, 4}, {UINT64_MAX / 2, SIZE_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        assert_null(mem_alloc(cases[i].count, cases[i].size, &err));
        assert_out_of_memory(&err);
    }
    assert_null(mem_alloc(UINT64_MAX, 8, NULL));
}

static void grow_keeps_and_zeroes(void **state)
{
    (void)state;
    struct err err;
    void *array = NULL;
    size_t capacity = 0, moves = 0;
    for (size_t i = 0; i < 100000; i++) {
        const size_t before = capacity;
        assert_int_equal(mem_grow(&array, &capacity, i + 1, sizeof(uint32_t), &err), STATUS_OK);
        assert_true(capacity >= i + 1);
        moves += capacity != before;
        assert_zero((uint32_t *)array + before, (capacity - before) * sizeof(uint32_t));
        ((uint32_t *)array)[i] = (uint32_t)i;
    }
    assert_true(moves < 40); /* geometric */
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(((uint32_t *)array)[i], i);
    const size_t before = capacity;
    assert_int_equal(mem_grow(&array, &capacity, 5, sizeof(uint32_t), &err), STATUS_OK);
    assert_int_equal(capacity, before);
    assert_int_equal(mem_grow(&array, &capacity, 1000000, sizeof(uint32_t), &err), STATUS_OK); /* more than one step */
    assert_true(capacity >= 1000000);
    free(array);
}

static void grow_leaves_the_array_on_failure(void **state)
{
    (void)state;
    struct err err = {0};
    void *array = NULL;
    size_t capacity = 0;
    assert_int_equal(mem_grow(&array, &capacity, 3, 8, &err), STATUS_OK);
    memcpy(array, "abcdefg", 8);
    void *const before = array;
    const size_t capacity_before = capacity;
    assert_int_equal(mem_grow(&array, &capacity, SIZE_MAX / 8, 8, &err), STATUS_LIMIT);
    assert_out_of_memory(&err);
    assert_ptr_equal(array, before);
    assert_int_equal(capacity, capacity_before);
    assert_string_equal(array, "abcdefg");
    free(array);
}

/* --- arena --------------------------------------------------------------------------------------------------------------------- */

static void arena_gives_aligned_zeroed_pieces(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct err err;
    unsigned char *piece[500];
    for (size_t i = 0; i < 500; i++) { /* 125 KB in all: across chunks */
        piece[i] = arena_alloc(&arena, i, 1, &err);
        assert_non_null(piece[i]);
        assert_int_equal((uintptr_t)piece[i] % 16, 0);
        assert_zero(piece[i], i);
        memset(piece[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal(piece[i][k], i & 0xff); /* no piece overlaps another */
    assert_true(arena.bytes >= 500 * 499 / 2);
    unsigned char *large = arena_alloc(&arena, 10, 1 << 20, &err); /* larger than any chunk */
    assert_non_null(large);
    assert_zero(large, 10 << 20);
    assert_non_null(arena_alloc(&arena, 1, 1, &err));
    arena_free(&arena);
    assert_null(arena.chunk);
    assert_int_equal(arena.bytes, 0);
    arena_free(&arena);
}

static void arena_refuses_what_overflows(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct err err = {0};
    assert_null(arena_alloc(&arena, UINT64_MAX, 1, &err));
    assert_out_of_memory(&err);
    err = (struct err){0};
    assert_null(arena_alloc(&arena, UINT64_C(1) << 60, 16, &err)); /* 2^64 */
    assert_out_of_memory(&err);
    err = (struct err){0};
    assert_null(arena_copy(&arena, "", SIZE_MAX, &err));
    assert_out_of_memory(&err);
    assert_int_equal(arena.bytes, 0);
    arena_free(&arena);
}

static void arena_copies_and_formats(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct err err;
    char source[] = "abcdef";
    char *copy = arena_copy(&arena, source, 3, &err);
    source[0] = 'z';
    assert_string_equal(copy, "abc");
    assert_string_equal(arena_copy(&arena, NULL, 0, &err), "");
    char *text = arena_format(&arena, &err, "%s-%05d", "model", 7);
    assert_string_equal(text, "model-00007");
    assert_string_equal(copy, "abc");
    text = arena_format(&arena, &err, "%*s", 100000, "x"); /* longer than the first chunk */
    assert_int_equal(strlen(text), 100000);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_gives_zeroed_bytes),
        cmocka_unit_test(alloc_refuses_what_overflows),
        cmocka_unit_test(grow_keeps_and_zeroes),
        cmocka_unit_test(grow_leaves_the_array_on_failure),
        cmocka_unit_test(arena_gives_aligned_zeroed_pieces),
        cmocka_unit_test(arena_refuses_what_overflows),
        cmocka_unit_test(arena_copies_and_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
