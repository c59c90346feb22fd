/* Rotary factors of a GGUF file in the words of config.json: LLaMA 3's parameters from the factors alone, and what no parameters give. */
#include "container/ggufile_write.h"
#include "formats/ggufrope.h"
#include "formats/ropefactors.h"
#include "shard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FILE_NAME "rope.gguf"

/* A file of one tensor, and what becomes of a config with these members. */
static enum status find(const char *name, const float *values, uint64_t count, enum ggml_type type, const char *members, struct text *text, struct err *err)
{
    struct ggufile_writer writer = {0};
    struct ggufile_entry entry = {.name = name, .rank = 1, .type = type, .dims = {count}};
    struct text head = {0};
    uint64_t bytes;
    struct ggufile_set set;
    struct jsondoc *config;
    ggufile_write_string(&writer, "general.architecture", slice_of("llama"));
    assert_int_equal(ggufile_write_layout(&writer, &entry, 1, &head, &bytes, err), STATUS_OK);
    ggufile_write_free(&writer);
    text_add(&head, (const char *)values, count * 4);
    while (head.size < bytes)
        text_add(&head, "", 1);
    spill(".", FILE_NAME, head.data, head.size);
    text_free(&head);
    assert_int_equal(ggufile_split_read(FILE_NAME, &file_posix, false, &set, err), STATUS_OK);
    assert_int_equal(jsondoc_parse("config.json", slice_of(members), &config, err), STATUS_OK);
    enum status status = ggufrope_add(&set, &file_posix, arch_of_gguf(slice_of("llama")), config, err);
    if (status == STATUS_OK)
        status = jsondoc_print(config, text, err);
    jsondoc_free(config);
    ggufile_split_free(&set);
    return status;
}

static void factors_give_the_parameters(void **state)
{
    (void)state;
    static const struct {
        float factor, context, base;
        uint64_t count;
    } rows[] = {{8, 8192, 500000, 64}, {32, 8192, 500000, 32}, {4, 2048, 10000, 48}, {16, 65536, 1000000, 64}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        const struct ropefactors_llama3 rope = {rows[r].base, rows[r].factor, 1, 4, rows[r].context};
        float values[64];
        char members[64], wanted[64];
        struct text text = {0};
        struct err err = {0};
        for (uint64_t k = 0; k < rows[r].count; k++)
            values[k] = ropefactors_llama3(&rope, (float)k / (float)rows[r].count);
        (void)snprintf(members, sizeof members, "{\"rope_theta\": %.1f}", (double)rows[r].base);
        assert_int_equal(find("rope_freqs.weight", values, rows[r].count, GGML_F32, members, &text, &err), STATUS_OK);
        (void)snprintf(wanted, sizeof wanted, "\"original_max_position_embeddings\": %.0f", (double)rows[r].context);
        text_add(&text, "", 1);
        assert_non_null(strstr(text.data, wanted));
        assert_non_null(strstr(text.data, "\"rope_type\": \"llama3\""));
        text_free(&text);
    }
}

static void others(void **state)
{
    (void)state;
    const float odd[4] = {1, 1.5f, 3, 8}, ones[4] = {1, 1, 1, 1}, bad[4] = {1, NAN, 1, 1};
    struct text text = {0};
    struct err err = {0};
    assert_int_equal(find("rope_freqs.weight", odd, 4, GGML_F32, "{}", &text, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.remedy, "--to gguf"));
    assert_int_equal(find("rope_freqs.weight", bad, 4, GGML_F32, "{}", &text, &err), STATUS_CORRUPT);
    assert_int_equal(find("rope_freqs.weight", odd, 4, GGML_I32, "{}", &text, &err), STATUS_CORRUPT);
    assert_int_equal(find("rope_factors_long.weight", odd, 4, GGML_F32, "{}", &text, &err), STATUS_CORRUPT); /* no short ones */
    assert_int_equal(find("rope_freqs.weight", ones, 4, GGML_F32, "{}", &text, &err), STATUS_OK);            /* no scaling at all */
    text_add(&text, "", 1);
    assert_null(strstr(text.data, "rope_scaling"));
    text_free(&text);
    assert_false(ggufrope_is("rope_freqs.bias"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_give_the_parameters),
        cmocka_unit_test(others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
