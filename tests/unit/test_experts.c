/* gpt-oss's stacks of experts as MLX has them: which row goes where. */
#include "directory.h"
#include "plan/experts.h"
#include "plan/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "experts.tmp"
#define UP "m.experts.gate_up_proj"
#define DOWN "m.experts.down_proj"

/* Two experts of 3 gates and 3 ups of 32 columns, and 2 x 32; an odd one, and one of another name. */
static const struct entry base[] = {
    {UP "_blocks", "U8", "2,6,1,16", {0}},
    {UP "_scales", "U8", "2,6,1", {0}},
    {UP "_bias", "BF16", "2,6", {0}},
    {DOWN "_blocks", "U8", "2,2,1,16", {0}},
    {DOWN "_scales", "U8", "2,2,1", {0}},
    {DOWN "_bias", "BF16", "2,2", {0}},
    {"n.gate_up_proj_blocks", "U8", "1,3,1,16", {0}},
    {"n.gate_up_proj_scales", "U8", "1,3,1", {0}},
    {"n.other_blocks", "U8", "1,2,1,16", {0}},
    {"n.other_scales", "U8", "1,2,1", {0}},
    {NULL, NULL, NULL, {0}},
};
#define CONFIG "{\"quantization_config\": {\"quant_method\": \"mxfp4\"}}"

/* Fills the file's tensors with numbers of rows: row r of a tensor holds bytes r. */
static void number_rows(const struct opened *o, const char *name, size_t row_bytes)
{
    const struct tensor *tensor = &o->model.tensor[model_find(&o->model, slice_of(name))];
    FILE *file = fopen(DIR "/model.safetensors", "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)tensor->offset, SEEK_SET), 0);
    for (size_t i = 0; i < tensor->bytes; i++)
        assert_int_not_equal(fputc((int)(i / row_bytes), file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void expect_rows(const struct opened *o, const char *name, size_t row_bytes, const uint8_t *rows, size_t count)
{
    struct fetch fetch;
    struct err err;
    uint8_t data[256];
    const uint32_t at = model_find(&o->model, slice_of(name));
    assert_int_not_equal(at, MODEL_NONE);
    assert_int_equal(o->model.tensor[at].bytes, count * row_bytes);
    assert_int_equal(fetch_open(&fetch, &file_posix, &o->model, &err), STATUS_OK);
    assert_int_equal(fetch_bytes(&fetch, at, 0, data, count * row_bytes, &err), STATUS_OK);
    for (size_t i = 0; i < count * row_bytes; i++)
        assert_int_equal(data[i], rows[i / row_bytes]);
    fetch_close(&fetch);
}

static const struct weight *find_weight(const struct opened *o, const char *name)
{
    for (size_t w = 0; w < o->model.weight_count; w++)
        if (strcmp(o->model.weight[w].name, name) == 0)
            return &o->model.weight[w];
    return NULL;
}

static void rows_that_take_turns(void **state)
{
    static const uint8_t gates[] = {0, 2, 4, 6, 8, 10}, ups[] = {1, 3, 5, 7, 9, 11};
    struct opened o;
    (void)state;
    directory_write(DIR, base, NULL, CONFIG);
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    number_rows(&o, UP "_blocks", 16);
    number_rows(&o, UP "_scales", 1);
    number_rows(&o, UP "_bias", 2);
    assert_int_equal(experts_split(&o.model, &o.err), STATUS_OK);
    assert_int_equal(o.model.weight_count, 5);
    assert_null(find_weight(&o, UP));
    expect_rows(&o, "m.experts.gate_proj.weight", 16, gates, 6);
    expect_rows(&o, "m.experts.up_proj.weight", 16, ups, 6);
    expect_rows(&o, "m.experts.gate_proj.scales", 1, gates, 6);
    expect_rows(&o, "m.experts.up_proj.scales", 1, ups, 6);
    expect_rows(&o, "m.experts.gate_proj.bias", 2, gates, 6);
    expect_rows(&o, "m.experts.up_proj.bias", 2, ups, 6);
    static const char *const names[] = {"m.experts.gate_proj", "m.experts.up_proj"};
    for (size_t i = 0; i < 2; i++) {
        const struct weight *weight = find_weight(&o, names[i]);
        assert_non_null(weight);
        assert_int_equal(weight->out, 6);
        assert_int_equal(weight->in, 32);
        assert_int_equal(weight->spec.experts, 2);
        assert_true(weight->spec.switched);
        assert_int_equal(o.model.tensor[weight->role[ROLE_CODES]].shape[1], 3);
        assert_int_equal(o.model.tensor[weight->role[ROLE_CODES]].peer, (uint32_t)(weight - o.model.weight));
    }
    directory_close(&o);
}

static void what_stays(void **state)
{
    struct opened o;
    (void)state;
    directory_write(DIR, base, NULL, CONFIG);
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(experts_split(&o.model, &o.err), STATUS_OK);
    assert_true(find_weight(&o, DOWN)->spec.switched);
    assert_string_equal(o.model.tensor[model_find(&o.model, slice_of(DOWN "_bias"))].out_name, DOWN ".bias");
    assert_false(find_weight(&o, "n.gate_up_proj")->spec.switched); /* an odd number of rows */
    assert_false(find_weight(&o, "n.other")->spec.switched);
    directory_close(&o);
}

static void both_are_split(void **state)
{
    struct opened a, b;
    (void)state;
    directory_write(DIR, base, NULL, CONFIG);
    assert_int_equal(directory_read(&a, DIR), STATUS_OK);
    assert_int_equal(directory_read(&b, DIR), STATUS_OK);
    assert_int_equal(experts_meet(&a.model, &b.model, &a.err), STATUS_OK);
    assert_non_null(find_weight(&a, UP)); /* they are alike */
    assert_int_equal(experts_split(&a.model, &a.err), STATUS_OK);
    assert_int_equal(experts_meet(&a.model, &b.model, &a.err), STATUS_OK);
    assert_non_null(find_weight(&b, "m.experts.up_proj"));
    directory_close(&a);
    directory_close(&b);
}

/* Floats lie turned: element e of the file holds the bytes e. */
static void floats_are_turned(void **state)
{
    static const struct entry entries[] = {
        {UP, "BF16", "2,4,6", {0}}, {UP "_bias", "BF16", "2,6", {0}},       {DOWN, "BF16", "2,3,4", {0}},          {DOWN "_bias", "BF16", "2,4", {0}},
        {"n.gate_up_proj", "BF16", "2,6,4", {0}}, /* another family's: no bias */
        {"o.gate_up_proj", "BF16", "1,2,3", {0}}, {"o.gate_up_proj_bias", "BF16", "1,3", {0}}, /* an odd number of columns */
        {NULL, NULL, NULL, {0}},
    };
    uint8_t half[2][24], down[24], biases[6];
    struct opened o;
    (void)state;
    for (unsigned i = 0; i < 24; i++) { /* [expert][row 0..2][column 0..3] of [expert][column][2 * row + which], and [expert][row 0..3][column 0..2] */
        half[0][i] = (uint8_t)(i / 12 * 24 + i % 4 * 6 + i / 4 % 3 * 2);
        half[1][i] = (uint8_t)(half[0][i] + 1);
        down[i] = (uint8_t)(i / 12 * 12 + i % 3 * 4 + i / 3 % 4);
    }
    for (unsigned i = 0; i < 6; i++)
        biases[i] = (uint8_t)(2 * i + 1);
    directory_write(DIR, entries, NULL, "{}");
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    number_rows(&o, UP, 2);
    number_rows(&o, UP "_bias", 2);
    number_rows(&o, DOWN, 2);
    assert_int_equal(experts_unfold(&o.model, &o.err), STATUS_OK);
    expect_rows(&o, "m.experts.gate_proj.weight", 2, half[0], 24);
    expect_rows(&o, "m.experts.up_proj.weight", 2, half[1], 24);
    expect_rows(&o, "m.experts.down_proj.weight", 2, down, 24);
    expect_rows(&o, "m.experts.up_proj.bias", 2, biases, 6);
    const struct tensor *up = &o.model.tensor[model_find(&o.model, slice_of("m.experts.up_proj.weight"))];
    assert_int_equal(up->shape[1], 3);
    assert_int_equal(up->shape[2], 4);
    assert_string_equal(up->part_of, UP);
    assert_true(up->switched);
    assert_int_equal(o.model.tensor[model_find(&o.model, slice_of(UP))].fate, FATE_PIECE);
    assert_int_equal(o.model.tensor[model_find(&o.model, slice_of("n.gate_up_proj"))].fate, FATE_CARRY);
    assert_int_equal(o.model.tensor[model_find(&o.model, slice_of("o.gate_up_proj"))].fate, FATE_CARRY);
    directory_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_take_turns),
        cmocka_unit_test(what_stays),
        cmocka_unit_test(both_are_split),
        cmocka_unit_test(floats_are_turned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
