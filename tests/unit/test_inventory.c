/* index: every kind of finding, and the index that --write makes. */
#include "base/tree.h"
#include "checkpoint_write.h"
#include "stored.h"
#include "plan/inventory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define PLACE "inventory.tmp"
#define INDEX "model.safetensors.index.json"

static int clear_place(void **state)
{
    (void)state;
    return tree_remove(&file_posix, PLACE, NULL) == STATUS_OK && mkdir(PLACE, 0777) == 0 ? 0 : -1;
}

/* A shard of one or two tensors of 8 bytes. */
static void put_shard(const char *name, const char *first, const char *second)
{
    struct shard shard = {0};
    (void)shard_add(&shard, first, "F32", "2", 8);
    if (second != NULL)
        (void)shard_add(&shard, second, "F32", "2", 8);
    shard_write(&shard, PLACE, name);
}

static void put_index(const char *text)
{
    spill(PLACE, INDEX, text, strlen(text));
}

static void make(struct inventory *inventory)
{
    struct err err = {0};
    if (inventory_make(inventory, &file_posix, PLACE, &err) != STATUS_OK)
        fail_msg("%s: %s", err.where, err.what);
}

/* The one finding of its kind. */
static const struct finding *only(const struct inventory *inventory, enum finding_kind kind)
{
    const struct finding *found = NULL;
    for (size_t f = 0; f < inventory->finding_count; f++) {
        if (inventory->finding[f].kind != kind)
            continue;
        assert_null(found);
        found = &inventory->finding[f];
    }
    assert_non_null(found);
    return found;
}

#define GOOD_MAP "\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\": \"model-1.safetensors\", \"c\": \"model-2.safetensors\"}"

static void put_two_shards(void)
{
    put_shard("model-1.safetensors", "a", "b");
    put_shard("model-2.safetensors", "c", NULL);
}

static void names(void **state)
{
    static const char *const expected[FINDING_COUNT] = {"no-index", "missing-shard", "stale", "wrong-shard", "unlisted", "duplicate", "total-size"};
    (void)state;
    for (size_t i = 0; i < FINDING_COUNT; i++)
        assert_string_equal(inventory_finding_name((enum finding_kind)i), expected[i]);
}

static void nothing_to_find(void **state)
{
    struct inventory inventory;
    (void)state;
    put_two_shards();
    put_index("{\"metadata\": {\"total_size\": 24}, " GOOD_MAP "}");
    make(&inventory);
    assert_int_equal(inventory.finding_count, 0);
    assert_true(inventory.has_index);
    assert_string_equal(inventory.index_name, INDEX);
    assert_int_equal(inventory.shards, 2);
    assert_int_equal(inventory.tensors, 3);
    assert_int_equal(inventory.total_size, 24);
    inventory_free(&inventory);
    assert_int_equal(clear_place(NULL), 0);
    put_shard("model.safetensors", "a", NULL); /* one file needs no index */
    make(&inventory);
    assert_int_equal(inventory.finding_count, 0);
    assert_false(inventory.has_index);
    inventory_free(&inventory);
}

static void several_shards_without_an_index(void **state)
{
    static const char expected[] = "{\n  \"metadata\": {\n    \"total_size\": 24\n  },\n  \"weight_map\": {\n    \"a\": \"model-1.safetensors\",\n"
                                   "    \"b\": \"model-1.safetensors\",\n    \"c\": \"model-2.safetensors\"\n  }\n}\n";
    struct inventory inventory;
    struct err err = {0};
    size_t size = 0;
    (void)state;
    put_two_shards();
    make(&inventory);
    assert_int_equal(inventory.finding_count, 1);
    assert_string_equal(only(&inventory, FINDING_NO_INDEX)->what, INDEX);
    assert_int_equal(inventory.right.size, sizeof expected - 1);
    assert_memory_equal(inventory.right.data, expected, sizeof expected - 1);
    assert_int_equal(inventory_write(&inventory, &file_posix, PLACE, &err), STATUS_OK);
    inventory_free(&inventory);
    uint8_t *written = slurp(PLACE, INDEX, &size);
    assert_non_null(written);
    assert_int_equal(size, sizeof expected - 1);
    assert_memory_equal(written, expected, size);
    free(written);
    make(&inventory);
    assert_int_equal(inventory.finding_count, 0);
    inventory_free(&inventory);
}

static void an_index_that_is_wrong_everywhere(void **state)
{
    struct inventory inventory;
    struct err err = {0};
    (void)state;
    put_two_shards();
    put_index("{\"metadata\": {\"total_size\": 99, \"kept\": \"yes\"}, \"own\": [1, 2], \"weight_map\": {\"a\": \"model-2.safetensors\", \"c\": "
              "\"model-2.safetensors\", \"gone\": \"model-1.safetensors\", \"lost\": \"model-9.safetensors\"}}");
    make(&inventory);
    assert_string_equal(only(&inventory, FINDING_MISSING_SHARD)->what, "model-9.safetensors");
    assert_string_equal(only(&inventory, FINDING_WRONG_SHARD)->what, "a");
    assert_string_equal(only(&inventory, FINDING_WRONG_SHARD)->text, "listed in model-2.safetensors, found in model-1.safetensors");
    assert_string_equal(only(&inventory, FINDING_UNLISTED)->what, "b");
    assert_string_equal(only(&inventory, FINDING_UNLISTED)->text, "in model-1.safetensors, not in the index");
    assert_string_equal(only(&inventory, FINDING_TOTAL_SIZE)->text, "found 99, expected 24");
    size_t stale = 0;
    for (size_t f = 0; f < inventory.finding_count; f++)
        stale += inventory.finding[f].kind == FINDING_STALE;
    assert_int_equal(stale, 2);
    assert_int_equal(inventory.finding_count, 6);
    assert_non_null(strstr(inventory.right.data, "\"kept\": \"yes\""));
    assert_non_null(strstr(inventory.right.data, "\"own\": [1, 2]"));
    assert_int_equal(inventory_write(&inventory, &file_posix, PLACE, &err), STATUS_OK);
    inventory_free(&inventory);
    make(&inventory);
    assert_int_equal(inventory.finding_count, 0);
    inventory_free(&inventory);
}

static void total_size_that_is_absent(void **state)
{
    static const char *const texts[] = {"{" GOOD_MAP "}", "{\"metadata\": {}, " GOOD_MAP "}", "{\"metadata\": {\"format\": \"pt\"}, " GOOD_MAP "}"};
    (void)state;
    put_two_shards();
    for (size_t i = 0; i < 3; i++) {
        struct inventory inventory;
        struct err err = {0};
        put_index(texts[i]);
        make(&inventory);
        assert_int_equal(inventory.finding_count, 1);
        assert_string_equal(only(&inventory, FINDING_TOTAL_SIZE)->text, "absent, expected 24");
        assert_int_equal(inventory_write(&inventory, &file_posix, PLACE, &err), STATUS_OK);
        inventory_free(&inventory);
        make(&inventory);
        assert_int_equal(inventory.finding_count, 0);
        inventory_free(&inventory);
    }
}

static void a_tensor_in_two_shards(void **state)
{
    struct inventory inventory;
    struct err err = {0};
    size_t size = 0;
    (void)state;
    put_two_shards();
    put_shard("model-3.safetensors", "b", NULL);
    put_index("{\"metadata\": {\"total_size\": 24}, " GOOD_MAP "}");
    make(&inventory);
    assert_string_equal(only(&inventory, FINDING_DUPLICATE)->what, "b");
    assert_string_equal(only(&inventory, FINDING_DUPLICATE)->text, "in model-1.safetensors and in model-3.safetensors");
    assert_int_equal(inventory_write(&inventory, &file_posix, PLACE, &err), STATUS_CORRUPT);
    assert_string_equal(err.where, "b");
    assert_non_null(strstr(err.what, "no index can say which one is meant"));
    inventory_free(&inventory);
    uint8_t *kept = slurp(PLACE, INDEX, &size);
    assert_non_null(strstr((const char *)kept, GOOD_MAP));
    free(kept);
}

static void errors(void **state)
{
    struct inventory inventory;
    struct err err = {0};
    (void)state;
    assert_int_equal(inventory_make(&inventory, &file_posix, PLACE "/absent", &err), STATUS_IO);
    inventory_free(&inventory);
    assert_int_equal(inventory_make(&inventory, &file_posix, PLACE, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.what, "no *.safetensors files"));
    inventory_free(&inventory);
    put_two_shards();
    put_index("{");
    assert_int_equal(inventory_make(&inventory, &file_posix, PLACE, &err), STATUS_CORRUPT);
    inventory_free(&inventory);
    put_index("{\"metadata\": {\"total_size\": 24}, " GOOD_MAP "}");
    spill(PLACE, "other.safetensors.index.json", "{}", 2);
    assert_int_equal(inventory_make(&inventory, &file_posix, PLACE, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.what, "expected one index"));
    inventory_free(&inventory);
    assert_int_equal(unlink(PLACE "/other.safetensors.index.json"), 0);
    spill(PLACE, "model-2.safetensors", "short", 5);
    assert_int_equal(inventory_make(&inventory, &file_posix, PLACE, &err), STATUS_CORRUPT);
    inventory_free(&inventory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names, clear_place),
        cmocka_unit_test_setup(nothing_to_find, clear_place),
        cmocka_unit_test_setup(several_shards_without_an_index, clear_place),
        cmocka_unit_test_setup(an_index_that_is_wrong_everywhere, clear_place),
        cmocka_unit_test_setup(total_size_that_is_absent, clear_place),
        cmocka_unit_test_setup(a_tensor_in_two_shards, clear_place),
        cmocka_unit_test_setup(errors, clear_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
