#include "formats/metaparams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum status read_text(const char *text, struct metaparams *params, struct err *err)
{
    struct jsondoc *document;
    enum status status = jsondoc_parse("params.json", slice_of(text), &document, err);
    assert_int_equal(status, STATUS_OK);
    status = metaparams_read(params, "params.json", document, err);
    jsondoc_free(document);
    return status;
}

#define BASE "\"dim\": 4096, \"n_layers\": 32, \"n_heads\": 32"

/* Rows of the table in meta-llama's releases: dim, multiple_of, multiplier, and the size of w1. */
static void hidden_sizes_of_the_releases(void **state)
{
    (void)state;
    static const struct {
        uint64_t dim, multiple_of;
        double multiplier;
        uint64_t hidden;
    } cases[] = {{4096, 256, 0, 11008},    {5120, 256, 0, 13824},   {6656, 256, 0, 17920},   {8192, 256, 0, 22016},  {8192, 4096, 1.3, 28672}, {4096, 1024, 1.3, 14336},
                 {16384, 4096, 1.2, 53248}, {2048, 256, 1.5, 8192}, {3072, 256, 1.0, 8192}, {8192, 1024, 1.3, 28672}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct metaparams params = {.dim = cases[i].dim, .multiple_of = cases[i].multiple_of, .multiplier = cases[i].multiplier};
        assert_int_equal(metaparams_hidden(&params), cases[i].hidden);
    }
}

static void versions_are_guessed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *version;
        uint64_t vocab;
    } cases[] = {
        {"{" BASE ", \"norm_eps\": 1e-06}", "1", 32000},
        {"{" BASE ", \"norm_eps\": 1e-05}", "2", 32000},
        {"{" BASE ", \"norm_eps\": 1e-05, \"rope_theta\": 1000000}", "code", 32016},
        {"{" BASE ", \"n_kv_heads\": 8, \"rope_theta\": 500000.0}", "3", 128256},
        {"{" BASE ", \"n_kv_heads\": null, \"rope_theta\": 500000.0, \"use_scaled_rope\": true}", "3.1", 128256},
        {"{\"dim\": 2048, \"n_layers\": 16, \"n_heads\": 32, \"rope_theta\": 500000.0, \"use_scaled_rope\": true}", "3.2", 128256},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct metaparams params;
        struct err err;
        const char *why;
        assert_int_equal(read_text(cases[i].text, &params, &err), STATUS_OK);
        assert_string_equal(metaparams_guess(&params, cases[i].vocab, &why)->name, cases[i].version);
        assert_non_null(why);
    }
    assert_null(metaparams_version("4"));
    char names[100];
    assert_string_equal(metaparams_versions(names, sizeof names), "1, 2, code, 3, 3.1, 3.2, Guard-3");
}

static void configs_say_what_was_found(void **state)
{
    (void)state;
    struct metaparams params;
    struct err err;
    struct text text = {0};
    assert_int_equal(read_text("{" BASE ", \"n_kv_heads\": 8, \"rope_theta\": 500000.0, \"use_scaled_rope\": true}", &params, &err), STATUS_OK);
    const struct metaparams_found found = {128256, 14336, DTYPE_BF16};
    assert_int_equal(metaparams_config(&params, metaparams_version("3.1"), &found, &text, &err), STATUS_OK);
    assert_non_null(strstr(text.data, "\"vocab_size\": 128256"));
    assert_non_null(strstr(text.data, "\"intermediate_size\": 14336"));
    assert_non_null(strstr(text.data, "\"original_max_position_embeddings\": 8192"));
    assert_non_null(strstr(text.data, "\"torch_dtype\": \"bfloat16\""));
    text_free(&text);
    assert_int_equal(metaparams_generation(metaparams_version("3.1"), &text, &err), STATUS_OK);
    assert_non_null(strstr(text.data, "\"eos_token_id\": 128001"));
    text_free(&text);
}

static void others_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
        enum status status;
    } cases[] = {
        {"{\"n_layers\": 32, \"n_heads\": 32}", "dim", STATUS_CORRUPT},
        {"{\"dim\": 4096.5, \"n_layers\": 32, \"n_heads\": 32}", "dim", STATUS_CORRUPT},
        {"{\"dim\": 100, \"n_layers\": 32, \"n_heads\": 32}", "divide", STATUS_CORRUPT},
        {"{" BASE ", \"n_kv_heads\": 5}", "divide", STATUS_CORRUPT},
        {"{" BASE ", \"rope_theta\": \"x\"}", "rope_theta", STATUS_CORRUPT},
        {"{" BASE ", \"vocab_size\": 1.5}", "vocab_size", STATUS_CORRUPT},
        {"{" BASE ", \"vision_chunk_size\": 448}", "vision_chunk_size", STATUS_UNSUPPORTED},
        {"{" BASE ", \"sliding_window\": 4096}", "sliding_window", STATUS_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct metaparams params;
        struct err err;
        assert_int_equal(read_text(cases[i].text, &params, &err), cases[i].status);
        assert_non_null(strstr(err.what, cases[i].word));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hidden_sizes_of_the_releases),
        cmocka_unit_test(versions_are_guessed),
        cmocka_unit_test(configs_say_what_was_found),
        cmocka_unit_test(others_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
