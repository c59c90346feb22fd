#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void empty_map_finds_nothing(void **state)
{
    (void)state;
    struct map map = {0};
    assert_true(map_find(&map, slice_of("a")) == MAP_NONE);
    assert_true(map_find(&map, slice_of(NULL)) == MAP_NONE);
    map_free(&map);
    map_free(&map);
}

static void first_value_stays(void **state)
{
    (void)state;
    struct map map = {0};
    struct err err;
    uint32_t existing = 0;
    assert_int_equal(map_add(&map, slice_of("a"), 5, &existing, &err), STATUS_OK);
    assert_true(existing == MAP_NONE);
    assert_int_equal(map_add(&map, slice_of("a"), 6, &existing, &err), STATUS_OK);
    assert_int_equal(existing, 5);
    assert_int_equal(map_find(&map, slice_of("a")), 5);
    assert_int_equal(map.count, 1);
    assert_true(map_find(&map, slice_of("b")) == MAP_NONE);
    map_free(&map);
    assert_int_equal(map.count, 0);
    assert_true(map_find(&map, slice_of("a")) == MAP_NONE);
}

/* The empty name, with and without an address, is one key; a NUL inside a key counts. */
static void keys_are_bytes(void **state)
{
    (void)state;
    struct map map = {0};
    struct err err;
    uint32_t existing;
    assert_int_equal(map_add(&map, slice_of(NULL), 1, &existing, &err), STATUS_OK);
    assert_int_equal(map_find(&map, slice_of("")), 1);
    assert_int_equal(map_find(&map, slice_of(NULL)), 1);
    assert_int_equal(map_add(&map, slice_of(""), 2, &existing, &err), STATUS_OK);
    assert_int_equal(existing, 1);
    assert_int_equal(map_add(&map, (struct slice){"a\0b", 3}, 3, &existing, &err), STATUS_OK);
    assert_true(existing == MAP_NONE);
    assert_int_equal(map_add(&map, (struct slice){"a\0c", 3}, 4, &existing, &err), STATUS_OK);
    assert_true(existing == MAP_NONE);
    assert_int_equal(map_find(&map, (struct slice){"a\0b", 3}), 3);
    assert_int_equal(map_find(&map, (struct slice){"a\0c", 3}), 4);
    assert_true(map_find(&map, slice_of("a")) == MAP_NONE);
    map_free(&map);
}

#define MANY 200000
#define NAME_BYTES 48

static void many_names(void **state)
{
    (void)state;
    struct map map = {0};
    struct err err;
    uint32_t existing;
    char(*name)[NAME_BYTES] = calloc(MANY, sizeof *name);
    assert_non_null(name);
    for (uint32_t i = 0; i < MANY; i++) {
        (void)snprintf(name[i], NAME_BYTES, "model.layers.%u.mlp.experts.%u.up_proj.weight", i / 256, i % 256);
        assert_int_equal(map_add(&map, slice_of(name[i]), i, &existing, &err), STATUS_OK);
        assert_true(existing == MAP_NONE);
    }
    assert_int_equal(map.count, MANY);
    assert_true((map.capacity & (map.capacity - 1)) == 0);
    assert_true(map.count < map.capacity && map.capacity < 8 * map.count);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(map_find(&map, slice_of(name[i])), i);
        name[i][0] = 'M'; /* a key that is not there; restored for the map, which borrows it */
        char absent[NAME_BYTES];
        (void)snprintf(absent, sizeof absent, "%s", name[i]);
        name[i][0] = 'm';
        assert_true(map_find(&map, slice_of(absent)) == MAP_NONE);
    }
    map_free(&map);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_map_finds_nothing),
        cmocka_unit_test(first_value_stays),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
