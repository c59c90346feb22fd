#include "container/ggufile_split.h"

#include "gguf_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *prefix;
        uint32_t number, count;
    } rows[] = {
        {"a-00001-of-00003.gguf", "a", 1, 3},
        {"d/x-00001-of-00002-00002-of-00003.gguf", "d/x-00001-of-00002", 2, 3},
        {"-00003-of-00003.gguf", "", 3, 3},
        {"a-99999-of-100000.gguf", "a", 99999, 100000},
        {"a-00000-of-00003.gguf", NULL, 0, 0},
        {"a-00004-of-00003.gguf", NULL, 0, 0},
        {"a-0001-of-00003.gguf", NULL, 0, 0},
        {"a-000001-of-00003.gguf", NULL, 0, 0},
        {"a-00001-of-00003.safetensors", NULL, 0, 0},
        {"a-00001of-00003.gguf", NULL, 0, 0},
        {"a00001-of-00003.gguf", NULL, 0, 0},
        {"-of-.gguf", NULL, 0, 0},
        {".gguf", NULL, 0, 0},
        {"", NULL, 0, 0},
    };
    struct arena arena = {0};
    struct err err = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ggufile_split_part part;
        assert_int_equal(ggufile_split_parse(slice_of(rows[i].name), &part), rows[i].prefix != NULL);
        if (rows[i].prefix == NULL)
            continue;
        assert_true(slice_is(part.prefix, rows[i].prefix) && part.number == rows[i].number && part.count == rows[i].count);
        assert_string_equal(ggufile_split_name(part.prefix, part.number, part.count, &arena, &err), rows[i].name);
    }
    arena_free(&arena);
}

/* --- reading ----------------------------------------------------------------------------------------------------------- */

enum { SHARDS = 3, TENSORS = 4 };

/* What is wrong with the set; zero: nothing. */
struct odd {
    uint32_t shard;             /* which is odd, from 0 */
    const char *drop;           /* a key that it lacks */
    const char *wide;           /* a key that is u32 there */
    int number, count, tensors; /* added to its keys */
    const char *tensor;         /* the name of its tensors */
    bool big, stray;
};

static void add_key(struct ggufile_writer *writer, const struct odd *odd, const char *key, enum ggufile_kind kind, uint32_t number)
{
    if (odd->drop == NULL || strcmp(odd->drop, key) != 0)
        ggufile_write_integer(writer, key, odd->wide != NULL && strcmp(odd->wide, key) == 0 ? GGUFILE_U32 : kind, number);
}

static void shard_path(char *path, size_t size, uint32_t shard)
{
    (void)snprintf(path, size, "set-%05u-of-%05u.gguf", shard + 1, SHARDS);
}

static void write_shard(uint32_t shard, const struct odd *wrong)
{
    static const struct odd nothing = {0};
    const struct odd *odd = wrong != NULL && wrong->shard == shard ? wrong : &nothing;
    struct ggufile_writer writer = {.big_endian = odd->big};
    struct text header = {0};
    struct err err = {0};
    uint64_t file_bytes;
    char path[100], name[64];
    (void)snprintf(name, sizeof name, "t%u", shard);
    struct ggufile_entry entry[2] = {{.name = odd->tensor != NULL ? odd->tensor : name, .dims = {8}, .rank = 1, .type = GGML_F32},
                                     {.name = "more", .dims = {8}, .rank = 1, .type = GGML_F32}};
    if (shard == 0 || odd->stray)
        ggufile_write_string(&writer, "general.architecture", slice_of("llama"));
    add_key(&writer, odd, "split.no", GGUFILE_U16, (uint32_t)((int)shard + odd->number));
    add_key(&writer, odd, "split.count", GGUFILE_U16, (uint32_t)(SHARDS + odd->count));
    add_key(&writer, odd, "split.tensors.count", GGUFILE_I32, (uint32_t)(TENSORS + odd->tensors));
    assert_int_equal(ggufile_write_layout(&writer, entry, shard == 1 ? 2 : 1, &header, &file_bytes, &err), STATUS_OK);
    while (header.size < file_bytes)
        text_add(&header, "", 1);
    shard_path(path, sizeof path, shard);
    (void)remove(path);
    assert_int_equal(file_spill(&file_posix, path, header.data, header.size, &err), STATUS_OK);
    ggufile_write_free(&writer);
    text_free(&header);
}

static void write_set(const struct odd *odd)
{
    for (uint32_t i = 0; i < SHARDS; i++)
        write_shard(i, odd);
}

static void any_shard_gives_the_set(void **state)
{
    (void)state;
    const struct odd stray = {.shard = 2, .stray = true};
    write_set(&stray);
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct ggufile_set set;
        struct err err = {0};
        char path[100];
        shard_path(path, sizeof path, i);
        if (ggufile_split_read(path, &file_posix, false, &set, &err) != STATUS_OK)
            fail_msg("%s: %s", err.where, err.what);
        assert_true(set.count == SHARDS && set.tensor_count == TENSORS && set.stray_count == 1);
        assert_non_null(ggufile_find(&set.file[0], "general.architecture"));
        assert_string_equal(set.file[1].tensor[0].name, "t1");
        assert_string_equal(set.file[2].path, "set-00003-of-00003.gguf");
        ggufile_split_free(&set);
    }
}

static void expect(const char *path, enum status status, const char *words)
{
    struct ggufile_set set;
    struct err err = {0};
    const enum status found = ggufile_split_read(path, &file_posix, false, &set, &err);
    if (found != status || (words != NULL && strstr(err.what, words) == NULL))
        fail_msg("found %d: %s: %s, expected %d: %s", found, err.where, err.what, status, words == NULL ? "" : words);
    if (found == STATUS_OK)
        ggufile_split_free(&set);
}

static void sets_that_contradict_themselves(void **state)
{
    (void)state;
    static const struct {
        struct odd odd;
        const char *words;
    } rows[] = {
        {{.shard = 1, .number = 1}, "found shard 3 of 3 by its keys, expected 2 of 3"},
        {{.shard = 1, .count = 1}, "found shard 2 of 4 by its keys"},
        {{.shard = 2, .count = -3}, "expected 3 of 3 by its name"},
        {{.shard = 1, .tensors = 1}, "split.tensors.count 5, expected 4"},
        {{.shard = 1, .drop = "split.no"}, "no key split.no"},
        {{.shard = 1, .drop = "split.count"}, "by its keys, expected 2 of 3"},
        {{.shard = 1, .drop = "split.tensors.count"}, "no key split.tensors.count"},
        {{.shard = 2, .wide = "split.no"}, "split.no of type u32, expected u16"},
        {{.shard = 2, .wide = "split.count"}, "split.count of type u32, expected u16"},
        {{.shard = 2, .wide = "split.tensors.count"}, "split.tensors.count of type u32, expected i32"},
        {{.shard = 2, .tensor = "t0"}, "tensor t0, which is in shard 1 as well"},
        {{.shard = 1, .big = true}, "another byte order"},
        {{.shard = 0, .number = 1}, "expected a name that ends in -00002-of-00003.gguf"},
        {{.shard = 0, .count = 1}, "expected a name that ends in -00001-of-00004.gguf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_set(&rows[i].odd);
        expect("set-00001-of-00003.gguf", STATUS_CORRUPT, rows[i].words);
    }
    write_set(NULL);
    for (uint32_t i = 0; i < SHARDS; i++) { /* all agree on a wrong sum */
        const struct odd odd = {.shard = i, .tensors = 1};
        write_shard(i, &odd);
    }
    expect("set-00002-of-00003.gguf", STATUS_CORRUPT, "found 4 tensors in 3 shards, expected 5");
    for (uint32_t i = 0; i < SHARDS; i++) {
        const struct odd odd = {.shard = i, .tensors = -5};
        write_shard(i, &odd);
    }
    expect("set-00002-of-00003.gguf", STATUS_CORRUPT, "expected -1");
}

static void missing_shards_and_other_names(void **state)
{
    (void)state;
    write_set(NULL);
    assert_int_equal(remove("set-00002-of-00003.gguf"), 0);
    expect("set-00001-of-00003.gguf", STATUS_CORRUPT, "found no shard 2 of 3");
    expect("set-00003-of-00003.gguf", STATUS_CORRUPT, "R-INCOMPLETE");
    expect("set-00002-of-00003.gguf", STATUS_IO, NULL);
    (void)remove("renamed.gguf");
    assert_int_equal(rename("set-00001-of-00003.gguf", "renamed.gguf"), 0);
    expect("renamed.gguf", STATUS_CORRUPT, "-00001-of-00003.gguf");
    write_set(NULL);
    struct err err = {0};
    (void)remove("set-00002-of-00003.gguf");
    assert_int_equal(file_spill(&file_posix, "set-00002-of-00003.gguf", "GGUF", 4, &err), STATUS_OK);
    expect("set-00001-of-00003.gguf", STATUS_CORRUPT, "truncated");
}

/* llama-gguf-split --merge leaves split.count 0 behind. */
static void one_file_is_a_set(void **state)
{
    (void)state;
    const struct odd merged = {.shard = 0, .count = -SHARDS}, single = {.shard = 0, .drop = "split.count"};
    const struct odd *const odds[] = {&merged, &single};
    for (size_t i = 0; i < 2; i++) {
        write_shard(0, odds[i]);
        (void)remove("one.gguf");
        assert_int_equal(rename("set-00001-of-00003.gguf", "one.gguf"), 0);
        struct ggufile_set set;
        struct err err = {0};
        assert_int_equal(ggufile_split_read("one.gguf", &file_posix, false, &set, &err), STATUS_OK);
        assert_true(set.count == 1 && set.tensor_count == 1 && set.stray_count == 0);
        ggufile_split_free(&set);
    }
}

/* --- writing ----------------------------------------------------------------------------------------------------------- */

static void plans(void **state)
{
    (void)state;
    static const uint64_t bytes[6] = {50, 50, 10, 200, 0, 90};
    static const struct {
        struct ggufile_split_rule rule;
        uint32_t shard_of[6], shards;
    } rows[] = {
        {{0, 0, false}, {0, 0, 0, 0, 0, 0}, 1},    {{100, 0, false}, {0, 0, 1, 2, 3, 3}, 4},
        {{1, 0, false}, {0, 1, 2, 3, 4, 5}, 6}, /* 90 after 0 bytes exceeds 1 */
        {{1000, 0, false}, {0, 0, 0, 0, 0, 0}, 1}, {{100, 0, true}, {1, 1, 2, 3, 4, 4}, 5},
        {{0, 2, false}, {0, 0, 1, 1, 2, 2}, 3},    {{0, 4, true}, {1, 1, 1, 1, 2, 2}, 3},
        {{0, 0, true}, {1, 1, 1, 1, 1, 1}, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t shard_of[6], shards;
        struct err err = {0};
        assert_int_equal(ggufile_split_plan(bytes, 6, &rows[i].rule, shard_of, &shards, &err), STATUS_OK);
        assert_int_equal(shards, rows[i].shards);
        assert_memory_equal(shard_of, rows[i].shard_of, sizeof shard_of);
    }
    enum { MANY = 65536 };
    uint64_t *many = calloc(MANY, sizeof *many);
    uint32_t *shard_of = calloc(MANY, sizeof *shard_of), shards;
    struct err err = {0};
    const struct ggufile_split_rule each = {0, 1, false};
    assert_true(many != NULL && shard_of != NULL);
    assert_int_equal(ggufile_split_plan(many, MANY - 1, &each, shard_of, &shards, &err), STATUS_OK);
    assert_int_equal(shards, UINT16_MAX);
    assert_int_equal(ggufile_split_plan(many, MANY, &each, shard_of, &shards, &err), STATUS_UNREPRESENTABLE);
    assert_int_equal(ggufile_split_plan(many, 0, &each, shard_of, &shards, &err), STATUS_OK);
    assert_int_equal(shards, 1);
    free(many);
    free(shard_of);
}

static void keys(void **state)
{
    (void)state;
    struct ggufile_writer writer = {0};
    struct gguf_bytes wanted = {0};
    struct text header = {0};
    struct err err = {0};
    uint64_t file_bytes;
    ggufile_split_keys(&writer, &(struct ggufile_split_claim){1, 3, 70000, false});
    assert_int_equal(ggufile_write_layout(&writer, NULL, 0, &header, &file_bytes, &err), STATUS_OK);
    put_start(&wanted, 3, 0, 3);
    put_key(&wanted, "split.no", GGUFILE_U16);
    put_word(&wanted, 1, 2);
    put_key(&wanted, "split.count", GGUFILE_U16);
    put_word(&wanted, 3, 2);
    put_key(&wanted, "split.tensors.count", GGUFILE_I32);
    put_word(&wanted, 70000, 4);
    put_data(&wanted, 32, 0);
    assert_int_equal(header.size, wanted.text.size);
    assert_memory_equal(header.data, wanted.text.data, header.size);
    ggufile_write_free(&writer);
    text_free(&header);
    text_free(&wanted.text);
}

/* --- sets that llama-gguf-split and llama-quantize wrote, where they are ------------------------------------------------- */

static void sets_of_llama_cpp(void **state)
{
    (void)state;
    static const char *const sets[] = {"f16", "Q4_K_M-keepsplit"};
    const char *golden = getenv("REPAQ_GOLDEN");
    if (golden == NULL)
        skip();
    for (size_t i = 0; i < 2; i++) {
        struct ggufile_set set;
        struct err err = {0};
        char path[600];
        (void)snprintf(path, sizeof path, "%s/gguf/split/qwen2-tiny-%s-00002-of-00003.gguf", golden, sets[i]);
        assert_int_equal(ggufile_split_read(path, &file_posix, false, &set, &err), STATUS_OK);
        assert_true(set.count == 3 && set.tensor_count == 39 && set.stray_count == 0);
        ggufile_split_free(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(any_shard_gives_the_set),
        cmocka_unit_test(sets_that_contradict_themselves),
        cmocka_unit_test(missing_shards_and_other_names),
        cmocka_unit_test(one_file_is_a_set),
        cmocka_unit_test(plans),
        cmocka_unit_test(keys),
        cmocka_unit_test(sets_of_llama_cpp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
