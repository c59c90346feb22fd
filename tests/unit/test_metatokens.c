/* The tokenizer files that are made of Meta's tokenizer.model, and where there are none. What they encode is judged by sentencepiece and tiktoken
 * (tests/oracle/upstream_metatokens.py). */
#include "formats/metatokens.h"
#include "base/tree.h"
#include "shard.h"
#include "tokenizer/sentencepiece.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#define DIR "metatokens.tmp"
#define TOKEN(text, score, type) \
    { \
        {text, sizeof text - 1}, score, VOCABULARY_##type \
    }

struct opened {
    struct source source;
    struct model model;
    struct err err;
};

/* A directory with this tokenizer.model, as version `name`. */
static enum status make(struct opened *o, const char *data, size_t size, const char *name)
{
    memset(o, 0, sizeof *o);
    NEED(tree_remove(&file_posix, DIR, NULL) == STATUS_OK && mkdir(DIR, 0777) == 0);
    if (data != NULL)
        spill(DIR, "tokenizer.model", data, size);
    assert_int_equal(source_open_plain(&o->source, &file_posix, DIR, &o->err), STATUS_OK);
    return metatokens_make(&o->source, &o->model, metaparams_version(name), &o->err);
}

static void drop(struct opened *o)
{
    model_free(&o->model);
    source_close(&o->source);
}

static bool says(const struct opened *o, size_t made, const char *text)
{
    return memmem(o->source.made[made].text.data, o->source.made[made].text.size, text, strlen(text)) != NULL;
}

/* A tokenizer that is larger than the embedding is told. */
static void more_tokens_than_rows(void **state)
{
    (void)state;
    static const char file[] = "YQ== 0\nYg== 1\nYWI= 2\n";
    for (uint64_t rows = 258; rows <= 259; rows++) {
        const uint64_t shape[] = {rows, 1};
        const struct tensor embedding = {.name = "model.embed_tokens.weight", .shape = shape, .rank = 2, .dtype = DTYPE_U8, .bytes = rows};
        struct opened o;
        assert_int_equal(make(&o, file, sizeof file - 1, "3.1"), STATUS_OK);
        assert_int_equal(o.model.note_count, 0);
        assert_int_equal(model_add_tensor(&o.model, &embedding, NULL, &o.err), STATUS_OK);
        assert_int_equal(metatokens_make(&o.source, &o.model, metaparams_version("3.1"), &o.err), STATUS_OK);
        assert_int_equal(o.model.note_count, rows == 258);
        drop(&o);
    }
}

static void ranks(void **state)
{
    (void)state;
    static const char file[] = "YQ== 0\nYg== 1\nYWI= 2\n"; /* a, b, ab */
    struct opened o;
    assert_int_equal(make(&o, file, sizeof file - 1, "3.1"), STATUS_OK);
    assert_int_equal(o.source.made_count, 3);
    assert_string_equal(o.source.made[0].name, "tokenizer.json");
    assert_true(says(&o, 0, "[\"a\", \"b\"]") && says(&o, 0, "{\"id\": 3, \"content\": \"<|begin_of_text|>\"") && says(&o, 0, "\"<|python_tag|>\""));
    assert_true(says(&o, 1, "\"bos_token\": \"<|begin_of_text|>\"") && says(&o, 1, "\"eos_token\": \"<|end_of_text|>\""));
    assert_true(says(&o, 1, "\"model_max_length\": 131072"));
    drop(&o);
    assert_int_equal(make(&o, file, sizeof file - 1, "3"), STATUS_OK);
    assert_false(says(&o, 0, "\"<|python_tag|>\""));
    drop(&o);
}

static void pieces(void **state)
{
    (void)state;
    struct vocabulary_token piece[] = {TOKEN("<unk>", 0, UNKNOWN),
                                       TOKEN("<s>", 0, CONTROL),
                                       TOKEN("</s>", 0, CONTROL),
                                       TOKEN("ab", 0, NORMAL),
                                       TOKEN("a", -1, NORMAL),
                                       TOKEN("b", -2, NORMAL),
                                       TOKEN("x\xe2\x96\x81y", 0, USER_DEFINED)};
    struct sentencepiece model = {.piece = piece,
                                  .count = 7,
                                  .model = SENTENCEPIECE_BPE,
                                  .unk = 0,
                                  .bos = 1,
                                  .eos = 2,
                                  .pad = -1,
                                  .add_dummy_prefix = true,
                                  .escape_whitespaces = true};
    struct text text = {0};
    struct opened o;
    sentencepiece_write(&model, &text);
    assert_int_equal(make(&o, text.data, text.size, "2"), STATUS_OK);
    assert_int_equal(o.source.made_count, 3);
    assert_true(says(&o, 0, "[\"a\", \"b\"]") && says(&o, 0, "\"content\": \"x y\"") && says(&o, 0, "\"type\": \"Prepend\""));
    assert_true(says(&o, 1, "\"tokenizer_class\": \"PreTrainedTokenizerFast\"") && !says(&o, 1, "legacy"));
    assert_true(says(&o, 2, "\"unk_token\": \"<unk>\""));
    drop(&o);
    spill(DIR, "tokenizer.json", "{}", 2); /* the directory's own stays */
    memset(&o, 0, sizeof o);
    assert_int_equal(source_open_plain(&o.source, &file_posix, DIR, &o.err), STATUS_OK);
    assert_int_equal(metatokens_make(&o.source, &o.model, metaparams_version("2"), &o.err), STATUS_OK);
    assert_int_equal(o.source.made_count, 0);
    drop(&o);
    model.remove_extra_whitespaces = true;
    text.size = 0;
    sentencepiece_write(&model, &text);
    assert_int_equal(make(&o, text.data, text.size, "2"), STATUS_OK);
    assert_int_equal(o.source.made_count, 0);
    assert_int_equal(o.model.note_count, 1);
    assert_non_null(strstr(o.model.note[0], "extra blanks"));
    drop(&o);
    text_free(&text);
}

static void none(void **state)
{
    (void)state;
    struct opened o;
    assert_int_equal(make(&o, NULL, 0, "2"), STATUS_OK);
    assert_int_equal(o.source.made_count + o.model.note_count, 0);
    drop(&o);
    assert_int_equal(make(&o, "\xff\xff", 2, "2"), STATUS_OK);
    assert_int_equal(o.source.made_count, 0);
    assert_int_equal(o.model.note_count, 1);
    drop(&o);
    assert_int_equal(make(&o, "YQ== 7\n", 7, "3"), STATUS_OK); /* ranks with a gap */
    assert_int_equal(o.source.made_count, 0);
    assert_int_equal(o.model.note_count, 1);
    drop(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_tokens_than_rows),
        cmocka_unit_test(ranks),
        cmocka_unit_test(pieces),
        cmocka_unit_test(none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
