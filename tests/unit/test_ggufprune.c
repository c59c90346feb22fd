#include "formats/ggufprune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A set of one file with these tensors, and with one array of metadata of `values` values. */
struct scene {
    struct ggufile file;
    struct ggufile_set set;
    struct ggufile_tensor tensor[8];
    struct ggufile_value value;
    struct arena arena;
    struct ggufprune prune;
    struct err err;
};

static void put(struct scene *scene, const char *const *name, size_t count, const char *key, uint64_t values)
{
    *scene = (struct scene){0};
    for (size_t t = 0; t < count; t++)
        (void)snprintf(scene->tensor[t].name, sizeof scene->tensor[t].name, "%s", name[t]);
    scene->value = (struct ggufile_value){.key = slice_of(key), .kind = GGUFILE_ARRAY, .count = values};
    scene->file = (struct ggufile){.path = "m.gguf", .value = &scene->value, .value_count = 1, .tensor = scene->tensor, .tensor_count = count};
    scene->set = (struct ggufile_set){.file = &scene->file, .count = 1};
}

static enum status make(struct scene *scene, const uint32_t *layer, size_t count)
{
    const struct ggufprune_list list = {layer, count};
    return ggufprune_make(&scene->prune, &scene->set, &list, 3, &scene->arena, &scene->err);
}

static const char *name_of(struct scene *scene, const char *name)
{
    const char *renamed;
    assert_int_equal(ggufprune_name(&scene->prune, name, &scene->arena, &renamed, &scene->err), STATUS_OK);
    return renamed;
}

static const char *const NAMES[] = {"token_embd.weight", "blk.0.attn_q.weight", "blk.1.attn_q.weight", "blk.2.attn_q.weight", "output.weight"};

static void others_move_up(void **state)
{
    (void)state;
    struct scene scene;
    put(&scene, NAMES, 5, "tokenizer.ggml.tokens", 3); /* as many as layers, by chance */
    assert_int_equal(make(&scene, (const uint32_t[]){1}, 1), STATUS_OK);
    assert_string_equal(name_of(&scene, "blk.0.attn_q.weight"), "blk.0.attn_q.weight");
    assert_null(name_of(&scene, "blk.1.attn_q.weight"));
    assert_string_equal(name_of(&scene, "blk.2.attn_q.weight"), "blk.1.attn_q.weight");
    assert_string_equal(name_of(&scene, "output.weight"), "output.weight");
    assert_int_equal(scene.prune.left, 2);
    arena_free(&scene.arena);
}

static void nothing_is_renamed_without_a_list(void **state)
{
    (void)state;
    struct scene scene;
    put(&scene, NAMES, 5, "llama.head_count", 3);
    assert_int_equal(make(&scene, NULL, 0), STATUS_OK);
    assert_string_equal(name_of(&scene, "blk.2.attn_q.weight"), "blk.2.attn_q.weight");
    assert_null(scene.prune.number);
}

static void all_layers_may_go(void **state)
{
    (void)state;
    struct scene scene;
    put(&scene, NAMES, 5, "general.tags", 3);
    assert_int_equal(make(&scene, (const uint32_t[]){0, 1, 2}, 3), STATUS_OK);
    assert_int_equal(scene.prune.left, 0);
    assert_null(name_of(&scene, "blk.2.attn_q.weight"));
    arena_free(&scene.arena);
}

static void refusals_name_the_cause(void **state)
{
    (void)state;
    struct scene scene;
    put(&scene, NAMES, 5, "llama.attention.head_count", 3);
    assert_int_equal(make(&scene, (const uint32_t[]){1}, 1), STATUS_UNSUPPORTED);
    assert_non_null(strstr(scene.err.what, "llama.attention.head_count"));
    arena_free(&scene.arena);

    put(&scene, NAMES, 5, "llama.x", 9);
    assert_int_equal(make(&scene, (const uint32_t[]){1, 3}, 2), STATUS_USAGE);
    assert_non_null(strstr(scene.err.what, "layer 3"));
    arena_free(&scene.arena);

    static const char *const odd[] = {"enc.blk.0.attn_q.weight", "blk.01.attn_q.weight", "blk.x.weight", "blk.4294967296.a"};
    for (size_t n = 0; n < sizeof odd / sizeof odd[0]; n++) {
        put(&scene, &odd[n], 1, "llama.x", 9);
        assert_int_equal(make(&scene, (const uint32_t[]){0}, 1), STATUS_UNSUPPORTED);
        assert_string_equal(scene.err.where, odd[n]);
        arena_free(&scene.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_move_up),
        cmocka_unit_test(nothing_is_renamed_without_a_list),
        cmocka_unit_test(all_layers_may_go),
        cmocka_unit_test(refusals_name_the_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
