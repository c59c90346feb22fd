#include "ir/model.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint32_t add_file(struct model *model, const char *name)
{
    struct err err;
    uint32_t index = MODEL_NONE;
    assert_int_equal(model_add_file(model, name, 1000, &index, &err), STATUS_OK);
    return index;
}

static uint32_t add_tensor(struct model *model, const char *name, uint32_t file)
{
    static const uint64_t shape[] = {2, 3};
    const struct tensor tensor = {.name = name, .shape = shape, .rank = 2, .dtype = DTYPE_F16, .offset = 8, .bytes = 12, .file = file};
    struct err err;
    uint32_t index = MODEL_NONE;
    assert_int_equal(model_add_tensor(model, &tensor, &index, &err), STATUS_OK);
    return index;
}

static uint32_t add_weight(struct model *model, const char *name)
{
    struct err err;
    uint32_t index = MODEL_NONE;
    assert_int_equal(model_add_weight(model, name, &index, &err), STATUS_OK);
    return index;
}

static void roles_have_names(void **state)
{
    (void)state;
    static const char *const names[] = {"codes",  "scales", "zeros",       "beta",       "group_of",  "shape",      "scales2",    "table",
                                        "table2", "state",  "input_scale", "input_zero", "deq_scale", "quant_bias", "layer_bias", "dense"};
    assert_int_equal(sizeof names / sizeof names[0], ROLE_COUNT);
    for (int r = 0; r < ROLE_COUNT; r++)
        assert_string_equal(model_role_name((enum role)r), names[r]);
    assert_string_equal(model_role_name(ROLE_COUNT), "unknown");
}

/* What was handed in may change or go afterwards. */
static void names_and_shapes_are_copied(void **state)
{
    (void)state;
    struct model model = {.dir = "dir"};
    struct err err;
    char file[] = "a.safetensors", name[] = "x.weight", weight[] = "x";
    uint64_t shape[] = {4, 5, 6};
    uint32_t index;
    assert_int_equal(model_add_file(&model, file, 77, NULL, &err), STATUS_OK);
    const struct tensor tensor = {.name = name, .shape = shape, .rank = 3, .dtype = DTYPE_I32, .offset = 9, .bytes = 480,
                                  .fate = FATE_DROP_ZERO};
    assert_int_equal(model_add_tensor(&model, &tensor, NULL, &err), STATUS_OK);
    assert_int_equal(model_add_weight(&model, weight, &index, &err), STATUS_OK);
    memset(file, '#', sizeof file - 1);
    memset(name, '#', sizeof name - 1);
    memset(weight, '#', sizeof weight - 1);
    memset(shape, 0, sizeof shape);
    assert_string_equal(model.file[0].name, "a.safetensors");
    assert_int_equal(model.file[0].bytes, 77);
    const struct tensor *added = &model.tensor[0];
    assert_string_equal(added->name, "x.weight");
    assert_string_equal(added->out_name, "x.weight");
    assert_int_equal(added->shape[0] * 100 + added->shape[1] * 10 + added->shape[2], 456);
    assert_int_equal(added->rank, 3);
    assert_int_equal(added->dtype, DTYPE_I32);
    assert_int_equal(added->offset, 9);
    assert_int_equal(added->bytes, 480);
    assert_int_equal(added->fate, FATE_CARRY);
    assert_true(added->peer == MODEL_NONE);
    assert_int_equal(model_find(&model, slice_of("x.weight")), 0);
    assert_true(model_find(&model, slice_of("x.weigh")) == MODEL_NONE);
    assert_string_equal(model.weight[0].name, "x");
    for (int r = 0; r < ROLE_COUNT; r++)
        assert_true(model.weight[0].role[r] == MODEL_NONE);
    assert_int_equal(model.weight[0].spec.bits, 0);
    model_free(&model);
    assert_int_equal(model.tensor_count + model.file_count + model.weight_count, 0);
    assert_null(model.tensor);
    model_free(&model);
}

static void scalars_have_no_shape(void **state)
{
    (void)state;
    struct model model = {0};
    struct err err;
    uint32_t index = MODEL_NONE;
    const struct tensor tensor = {.name = "s", .dtype = DTYPE_F32, .bytes = 4, .file = add_file(&model, "f")};
    assert_int_equal(model_add_tensor(&model, &tensor, &index, &err), STATUS_OK);
    assert_int_equal(model_elements(&model.tensor[index]), 1);
    assert_false(model_is_2d(&model.tensor[index], 1, 1));
    model_free(&model);
}

static void duplicate_names_both_files(void **state)
{
    (void)state;
    struct model model = {0};
    struct err err = {0};
    const uint32_t first = add_file(&model, "one.safetensors"), second = add_file(&model, "two.safetensors");
    (void)add_tensor(&model, "x.weight", first);
    const struct tensor again = {.name = "x.weight", .file = second};
    uint32_t index = 99;
    assert_int_equal(model_add_tensor(&model, &again, &index, &err), STATUS_CORRUPT);
    assert_int_equal(err.status, STATUS_CORRUPT);
    assert_string_equal(err.where, "two.safetensors");
    assert_non_null(strstr(err.what, "x.weight"));
    assert_non_null(strstr(err.what, "one.safetensors"));
    assert_int_equal(index, 99);
    assert_int_equal(model.tensor_count, 1);
    assert_int_equal(model_find(&model, slice_of("x.weight")), 0);
    model_free(&model);
}

/* The longest name that is allowed leaves room for the other file's name. */
static void duplicate_of_a_long_name(void **state)
{
    (void)state;
    static char name[LIMIT_NAME_BYTES_MAX + 1];
    struct model model = {0};
    struct err err = {0};
    memset(name, 'n', LIMIT_NAME_BYTES_MAX);
    (void)add_tensor(&model, name, add_file(&model, "one.safetensors"));
    const struct tensor again = {.name = name, .file = add_file(&model, "two.safetensors")};
    assert_int_equal(model_add_tensor(&model, &again, NULL, &err), STATUS_CORRUPT);
    assert_string_equal(err.where, "two.safetensors");
    assert_non_null(strstr(err.what, "one.safetensors"));
    model_free(&model);
}

static void over_long_name_is_a_limit(void **state)
{
    (void)state;
    static char name[LIMIT_NAME_BYTES_MAX + 2];
    struct model model = {0};
    struct err err = {0};
    memset(name, 'n', sizeof name - 1);
    const struct tensor tensor = {.name = name, .file = add_file(&model, "f.bin")};
    assert_int_equal(model_add_tensor(&model, &tensor, NULL, &err), STATUS_LIMIT);
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_string_equal(err.where, "f.bin");
    assert_int_equal(model.tensor_count, 0);
    model_free(&model);
}

static void files_are_limited(void **state)
{
    (void)state;
    struct model model = {0};
    struct err err = {0};
    uint32_t index;
    for (uint32_t i = 0; i < LIMIT_FILES_MAX; i++) {
        assert_int_equal(model_add_file(&model, "f", i, &index, &err), STATUS_OK);
        assert_int_equal(index, i);
    }
    assert_int_equal(model_add_file(&model, "f", 0, &index, &err), STATUS_LIMIT);
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_int_equal(model.file_count, LIMIT_FILES_MAX);
    model_free(&model);
}

/* As many tensors as there may be, in time and memory that grow with their number only. */
static void tensors_are_limited(void **state)
{
    (void)state;
    struct model model = {0};
    struct err err = {0};
    char name[32];
    const struct tensor tensor = {.name = name, .file = add_file(&model, "f")};
    uint32_t index = 0;
    for (uint32_t i = 0; i < LIMIT_TENSORS_MAX; i++) {
        (void)snprintf(name, sizeof name, "t.%u", i);
        const enum status status = model_add_tensor(&model, &tensor, &index, &err);
        if (status != STATUS_OK || index != i)
            fail_msg("tensor %u: status %d, index %u", i, (int)status, index);
    }
    (void)snprintf(name, sizeof name, "one more");
    assert_int_equal(model_add_tensor(&model, &tensor, &index, &err), STATUS_LIMIT);
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_string_equal(err.where, "f");
    assert_int_equal(model_find(&model, slice_of("t.777777")), 777777);
    model_free(&model);
}

static void sorting_renumbers_peers(void **state)
{
    (void)state;
    struct model model = {0};
    const uint32_t file = add_file(&model, "f");
    const uint32_t tc = add_tensor(&model, "c.qweight", file), ta = add_tensor(&model, "a.qweight", file);
    const uint32_t tb = add_tensor(&model, "b.qweight", file);
    const uint32_t tcs = add_tensor(&model, "c.scales", file), carried = add_tensor(&model, "norm", file);
    const uint32_t twin = add_tensor(&model, "twin", file);
    const uint32_t c = add_weight(&model, "c"), a = add_weight(&model, "a"), high = add_weight(&model, "\xc3\xa9");
    const uint32_t b = add_weight(&model, "b");
    model_claim(&model, c, ROLE_CODES, tc);
    model_claim(&model, c, ROLE_SCALES, tcs);
    model_claim(&model, a, ROLE_CODES, ta);
    model_claim(&model, b, ROLE_CODES, tb);
    (void)high;
    assert_int_equal(model.tensor[tc].fate, FATE_CLAIMED);
    assert_int_equal(model.tensor[tc].peer, c);
    assert_int_equal(model.weight[c].role[ROLE_SCALES], tcs);
    model.tensor[twin].fate = FATE_DROP_TWIN; /* its peer is a tensor: sorting weights is no concern of it */
    model.tensor[twin].peer = carried;
    model_sort_weights(&model);
    static const char *const sorted[] = {"a", "b", "c", "\xc3\xa9"}; /* bytewise, unsigned */
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(model.weight[i].name, sorted[i]);
    assert_int_equal(model.tensor[ta].peer, 0);
    assert_int_equal(model.tensor[tb].peer, 1);
    assert_int_equal(model.tensor[tc].peer, 2);
    assert_int_equal(model.tensor[tcs].peer, 2);
    assert_int_equal(model.weight[2].role[ROLE_CODES], tc);
    assert_int_equal(model.weight[2].role[ROLE_SCALES], tcs);
    assert_true(model.tensor[carried].peer == MODEL_NONE);
    assert_int_equal(model.tensor[twin].peer, carried);
    model_free(&model);
    model_sort_weights(&model); /* nothing to sort */
}

static void notes_are_kept_in_order(void **state)
{
    (void)state;
    struct model model = {0};
    struct err err;
    static char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    assert_int_equal(model_add_note(&model, &err, "%d layers", 3), STATUS_OK);
    assert_int_equal(model_add_note(&model, &err, "%s", longer), STATUS_OK);
    assert_int_equal(model.note_count, 2);
    assert_string_equal(model.note[0], "3 layers");
    assert_true(strlen(model.note[1]) > 500 && strspn(model.note[1], "x") == strlen(model.note[1]));
    model_free(&model);
}

static void texts(void **state)
{
    (void)state;
    struct model model = {.dir = "some/dir"};
    struct err err;
    char buffer[64], small[8];
    const uint32_t file = add_file(&model, "sub/a.bin"), tensor = add_tensor(&model, "x.weight", file);
    assert_string_equal(model_path(&model, file, &err), "some/dir/sub/a.bin");
    assert_ptr_equal(model_where(&model, tensor, buffer, sizeof buffer), buffer);
    assert_string_equal(buffer, "sub/a.bin: x.weight");
    assert_string_equal(model_where(&model, tensor, small, sizeof small), "sub/a.b");
    assert_ptr_equal(model_shape_text(&model.tensor[tensor], buffer, sizeof buffer), buffer);
    assert_string_equal(buffer, "[2, 3]");
    assert_string_equal(model_shape_text(&(struct tensor){0}, buffer, sizeof buffer), "[]");
    for (size_t size = 1; size <= sizeof small; size++) {
        static const uint64_t shape[] = {UINT64_MAX, 1};
        memset(buffer, '#', sizeof buffer);
        (void)model_shape_text(&(struct tensor){.shape = shape, .rank = 2}, buffer, size);
        assert_true(strlen(buffer) < size);
        assert_int_equal(buffer[size], '#');
    }
    model_free(&model);
}

static void shapes(void **state)
{
    (void)state;
    static const uint64_t shape[] = {4, 5, 0};
    assert_int_equal(model_elements(&(struct tensor){.shape = shape, .rank = 2}), 20);
    assert_int_equal(model_elements(&(struct tensor){.shape = shape, .rank = 3}), 0);
    assert_true(model_is_2d(&(struct tensor){.shape = shape, .rank = 2}, 4, 5));
    assert_false(model_is_2d(&(struct tensor){.shape = shape, .rank = 2}, 5, 4));
    assert_false(model_is_2d(&(struct tensor){.shape = shape, .rank = 2}, 4, 4));
    assert_false(model_is_2d(&(struct tensor){.shape = shape, .rank = 3}, 4, 5));
    assert_false(model_is_2d(&(struct tensor){.shape = shape, .rank = 1}, 4, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_have_names),
        cmocka_unit_test(names_and_shapes_are_copied),
        cmocka_unit_test(scalars_have_no_shape),
        cmocka_unit_test(duplicate_names_both_files),
        cmocka_unit_test(duplicate_of_a_long_name),
        cmocka_unit_test(over_long_name_is_a_limit),
        cmocka_unit_test(files_are_limited),
        cmocka_unit_test(tensors_are_limited),
        cmocka_unit_test(sorting_renumbers_peers),
        cmocka_unit_test(notes_are_kept_in_order),
        cmocka_unit_test(texts),
        cmocka_unit_test(shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
