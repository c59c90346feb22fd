/* All formats, their widths, and the choice among bids. */
#include "base/tree.h"
#include "checkpoint_write.h"
#include "formats/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PLACE "registry.tmp"
#define DIR PLACE "/dir"

static int clear_place(void **state)
{
    (void)state;
    return tree_remove(&file_posix, PLACE, NULL) == STATUS_OK && mkdir(PLACE, 0777) == 0 ? 0 : -1;
}

static void every_format_is_found_by_its_name(void **state)
{
    (void)state;
    assert_int_equal(registry_count(), 12);
    for (size_t i = 0; i < registry_count(); i++) {
        const struct format *format = registry_at(i);
        assert_ptr_equal(registry_find(format->name), format);
        assert_non_null(format->title);
        assert_non_null(format->probe);
        assert_non_null(format->read);
        assert_non_null(format->names.stem);
        assert_true(format->can.reads);
        assert_true(!format->can.writes || format->form_count == 0 || format->describe != NULL || format->list != NULL);
        for (size_t f = 0; f < format->form_count; f++) {
            const struct form *form = &format->form[f];
            assert_non_null(form->name);
            assert_int_equal(form->part[0].role, ROLE_CODES);
            assert_int_equal(layout_row(form->codes)->code_bits, form->bits);
            if (form->symmetric == ZERO_CODES || form->asymmetric == ZERO_CODES)
                assert_int_equal(layout_row(form->zeros)->code_bits, form->bits);
        }
    }
    assert_null(registry_find("gptq_v3"));
    assert_null(registry_find(""));
    assert_null(registry_find("AWQ"));
}

static void lists_of_names(void **state)
{
    char text[200], small[6];
    (void)state;
    assert_string_equal(registry_names(false, text, sizeof text), "hf, msmodelslim, awq, gptq, gptq_v2, compressed-tensors, mlx, gguf, bitsandbytes, fp8, mxfp4, meta");
    assert_string_equal(registry_names(true, text, sizeof text), "hf, msmodelslim, awq, gptq, gptq_v2, compressed-tensors, mlx, gguf");
    assert_string_equal(registry_names(false, small, sizeof small), "hf, m"); /* cut, never beyond the buffer */
    assert_string_equal(registry_bits(registry_find("gptq"), text, sizeof text), "2, 3, 4, 8");
    assert_string_equal(registry_bits(registry_find("mlx"), text, sizeof text), "2, 3, 4, 5, 6, 8");
    assert_string_equal(registry_bits(registry_find("awq"), text, sizeof text), "4");
    assert_string_equal(registry_bits(registry_find("hf"), text, sizeof text), "");
}

static const struct form *form_for(const char *format, struct want want)
{
    return registry_form(registry_find(format), &want);
}

static void forms(void **state)
{
    (void)state;
    const struct form *form = form_for("gptq_v2", (struct want){.bits = 8});
    assert_non_null(form);
    assert_int_equal(form->codes, LAYOUT_WORD_IN8);
    assert_int_equal(form->zeros, LAYOUT_WORD_OUT8);
    assert_non_null(form_for("awq", (struct want){.bits = 4}));
    assert_null(form_for("awq", (struct want){.bits = 8}));
    assert_null(form_for("awq", (struct want){.bits = 4, .activation = ACTIVATION_DYNAMIC}));
    assert_null(form_for("hf", (struct want){.bits = 4}));
    assert_null(form_for("gptq", (struct want){0}));
    assert_int_equal(form_for("msmodelslim", (struct want){.bits = 4, .per_channel = true})->codes, LAYOUT_NIBBLE_IN);
    assert_int_equal(form_for("msmodelslim", (struct want){.bits = 4})->codes, LAYOUT_NIBBLE_OUT);
    assert_int_equal(form_for("msmodelslim", (struct want){.bits = 4, .variant = VARIANT_UNPACKED})->codes, LAYOUT_BYTE_INT4);
    assert_string_equal(form_for("msmodelslim", (struct want){.bits = 8, .activation = ACTIVATION_STATIC, .per_channel = true})->name, "W8A8");
    assert_null(form_for("msmodelslim", (struct want){.bits = 8, .activation = ACTIVATION_STATIC}));
    assert_string_equal(form_for("compressed-tensors", (struct want){.bits = 8, .activation = ACTIVATION_DYNAMIC})->name, "int-quantized");
    assert_true(registry_asymmetric(registry_find("awq")));
    assert_false(registry_asymmetric(registry_find("hf")));
    assert_int_equal(registry_widths(registry_find("compressed-tensors")), 0x1fe);
    assert_int_equal(registry_widths(registry_find("hf")), 0);
}

/* A seed whose layers are plain enough to be read. */
static void write_dialect(enum dialect dialect)
{
    struct checkpoint c;
    checkpoint_random(&c, dialect, 3);
    c.sym = false;
    c.v1 = V1_META;
    assert_int_equal(clear_place(NULL), 0);
    checkpoint_write(&c, DIR);
    checkpoint_free(&c);
}

struct chosen {
    const struct format *format;
    struct bid bid;
    struct err err;
};

static enum status choose(struct chosen *chosen, const char *from)
{
    struct source source;
    memset(chosen, 0, sizeof *chosen);
    assert_int_equal(source_open(&source, &file_posix, DIR, &chosen->err), STATUS_OK);
    const enum status status = registry_choose(&source, from, &chosen->format, &chosen->bid, &chosen->err);
    source_close(&source);
    return status;
}

static void each_dialect_is_recognised(void **state)
{
    struct chosen chosen;
    (void)state;
    for (enum dialect dialect = DIALECT_MS; dialect < DIALECT_COUNT; dialect++) {
        write_dialect(dialect);
        assert_int_equal(choose(&chosen, NULL), STATUS_OK);
        assert_string_equal(chosen.format->name, dialect_names[dialect]);
        assert_true(chosen.bid.score > 0 && chosen.bid.score <= 100);
        assert_true(chosen.bid.evidence[0] != '\0');
        assert_int_equal(choose(&chosen, dialect_names[dialect]), STATUS_OK);
        assert_string_equal(chosen.format->name, dialect_names[dialect]);
    }
}

static void from_chooses_among_those_that_bid(void **state)
{
    struct chosen chosen;
    (void)state;
    write_dialect(DIALECT_GPTQ);
    assert_int_equal(choose(&chosen, "gptq_v2"), STATUS_OK); /* the other reading of one config */
    assert_string_equal(chosen.format->name, "gptq_v2");
    assert_int_equal(chosen.bid.score, 40);
    assert_int_equal(choose(&chosen, "awq"), STATUS_USAGE);
    assert_non_null(strstr(chosen.err.what, "found nothing of the format awq"));
    assert_true(chosen.err.remedy[0] != '\0');
    assert_int_equal(choose(&chosen, "exl9"), STATUS_USAGE);
    assert_string_equal(chosen.err.where, "--from");
    assert_non_null(strstr(chosen.err.remedy, "msmodelslim"));
}

static void nobody_bids(void **state)
{
    struct chosen chosen;
    (void)state;
    struct shard shard = {0};
    (void)shard_add(&shard, "a", "F32", "1", 4);
    assert_int_equal(clear_place(NULL), 0);
    assert_int_equal(mkdir(DIR, 0777), 0);
    shard_write(&shard, DIR, "model.safetensors");
    static const char other[] = "{\"quantization_config\": {\"quant_method\": \"hqq\"}}", silent[] = "{\"quantization_config\": {}}";
    spill(DIR, "config.json", other, sizeof other - 1);
    assert_int_equal(choose(&chosen, NULL), STATUS_UNSUPPORTED);
    assert_non_null(strstr(chosen.err.what, "quant_method \"hqq\""));
    assert_non_null(strstr(chosen.err.remedy, "awq"));
    spill(DIR, "config.json", silent, sizeof silent - 1);
    assert_int_equal(choose(&chosen, NULL), STATUS_UNSUPPORTED);
    assert_non_null(strstr(chosen.err.what, "no description that a format recognises"));
    spill(DIR, "config.json", "{}", 2);
    assert_int_equal(choose(&chosen, NULL), STATUS_OK);
    assert_string_equal(chosen.format->name, "hf");
}

static void a_model_is_read_sorted(void **state)
{
    (void)state;
    for (enum dialect dialect = DIALECT_MS; dialect < DIALECT_COUNT; dialect++) {
        struct source source;
        struct model model = {0};
        struct bid bid;
        struct err err = {0};
        write_dialect(dialect);
        assert_int_equal(source_open(&source, &file_posix, DIR, &err), STATUS_OK);
        assert_int_equal(registry_read(&source, NULL, (struct read_options){0}, &model, &bid, &err), STATUS_OK);
        assert_string_equal(model.format, dialect_names[dialect]);
        assert_int_equal(model.weight_count, dialect == DIALECT_HF ? 0 : LAYERS);
        for (size_t w = 0; w < model.weight_count; w++) {
            assert_true(w == 0 || strcmp(model.weight[w - 1].name, model.weight[w].name) < 0);
            for (size_t r = 0; r < ROLE_COUNT; r++)
                if (model.weight[w].role[r] != MODEL_NONE)
                    assert_int_equal(model.tensor[model.weight[w].role[r]].peer, w);
        }
        model_free(&model);
        source_close(&source);
    }
}

/* sym: true is held against the data, but not when the user says what the file is. */
static void a_forced_format_overrides_the_claim(void **state)
{
    static const char *const from[] = {NULL, "gptq", "gptq_v2"};
    struct checkpoint c;
    (void)state;
    checkpoint_random(&c, DIALECT_GPTQ, 3);
    c.sym = true;
    assert_int_equal(clear_place(NULL), 0);
    checkpoint_write(&c, DIR);
    checkpoint_free(&c);
    for (size_t i = 0; i < 3; i++) {
        struct source source;
        struct model model = {0};
        struct bid bid;
        struct err err = {0};
        assert_int_equal(source_open(&source, &file_posix, DIR, &err), STATUS_OK);
        assert_int_equal(registry_read(&source, from[i], (struct read_options){0}, &model, &bid, &err), STATUS_OK);
        for (size_t w = 0; w < model.weight_count; w++)
            assert_int_equal(model.weight[w].claim, i == 0 ? CLAIM_SYMMETRIC : CLAIM_NONE);
        model_free(&model);
        source_close(&source);
    }
}

static void a_description_elsewhere(void **state)
{
    struct source source;
    struct model model = {0};
    struct bid bid = {0};
    struct err err = {0};
    (void)state;
    write_dialect(DIALECT_MS);
    assert_int_equal(rename(DIR "/quant_model_description.json", PLACE "/elsewhere.json"), 0);
    assert_int_equal(source_open(&source, &file_posix, DIR, &err), STATUS_OK);
    const struct read_options options = {.description = PLACE "/elsewhere.json"};
    assert_int_equal(registry_read(&source, "msmodelslim", options, &model, &bid, &err), STATUS_OK);
    assert_int_equal(model.weight_count, LAYERS);
    assert_non_null(strstr(bid.evidence, "elsewhere.json"));
    model_free(&model);
    source_close(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_found_by_its_name),
        cmocka_unit_test(lists_of_names),
        cmocka_unit_test(forms),
        cmocka_unit_test(each_dialect_is_recognised),
        cmocka_unit_test(from_chooses_among_those_that_bid),
        cmocka_unit_test(nobody_bids),
        cmocka_unit_test(a_model_is_read_sorted),
        cmocka_unit_test(a_forced_format_overrides_the_claim),
        cmocka_unit_test(a_description_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
