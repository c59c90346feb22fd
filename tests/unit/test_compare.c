/* compare_models: every verdict between checkpoints that checkpoint.h writes, and what counts as no difference. */
#include "base/tree.h"
#include "checkpoint_write.h"
#include "formats/registry.h"
#include "plan/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PLACE "compare.tmp"
#define LEFT PLACE "/left"
#define RIGHT PLACE "/right"

static int clear_place(void **state)
{
    (void)state;
    return tree_remove(&file_posix, PLACE, NULL) == STATUS_OK && mkdir(PLACE, 0777) == 0 ? 0 : -1;
}

/* A checkpoint without surprises: 16 x 64 in groups of 32, zeros 1..15, scales that F16 holds. */
static struct checkpoint *plain(struct checkpoint *c, enum dialect dialect)
{
    struct rng rng = {7};
    *c = (struct checkpoint){.dialect = dialect, .real = REAL_F16, .group = 32, .bits = 4};
    for (unsigned l = 0; l < LAYERS; l++) {
        struct layer *layer = &c->layer[l];
        (void)snprintf(layer->name, sizeof layer->name, "model.layers.%u.up", l);
        layer->out = 16;
        layer->in = 64;
        layer->bits = 4;
        layer->group = 32;
        layer_alloc(layer);
        for (size_t i = 0; i < 16 * 64; i++)
            layer->code[i] = (uint8_t)rng_below(&rng, 16);
        for (size_t i = 0; i < 32; i++) {
            layer->zero[i] = 1 + (int32_t)rng_below(&rng, 15);
            layer->scale[i] = real_round(REAL_F16, 0.01f * (float)(1 + i));
            layer->offset[i] = (float)(layer->zero[i] - 8);
        }
    }
    return c;
}

/* A side of a comparison, opened as verify opens it. */
struct opened {
    struct source source;
    struct model model;
    struct bid bid;
    struct fetch fetch;
};

static void open_side(struct opened *side, const char *dir)
{
    struct err err = {0};
    *side = (struct opened){0};
    if (source_open(&side->source, &file_posix, dir, &err) != STATUS_OK ||
        registry_read(&side->source, NULL, (struct read_options){0}, &side->model, &side->bid, &err) != STATUS_OK ||
        fetch_open(&side->fetch, &file_posix, &side->model, &err) != STATUS_OK)
        fail_msg("%s: %s", err.where, err.what);
}

static void close_side(struct opened *side)
{
    fetch_close(&side->fetch);
    model_free(&side->model);
    source_close(&side->source);
}

/* Copies of what a comparison found: the names in it die with the models. */
struct found {
    enum status status;
    struct err err;
    size_t count, count_of[VERDICT_COUNT];
    uint64_t codes, zeros, scales, values;
    double max_relative;
    char first[128], name[128];
};

static struct found compare(struct compare_options options)
{
    struct opened a, b;
    struct comparison comparison;
    struct found found = {0};
    const struct resources resources = {&file_posix, 2, UINT64_C(256) << 20, NULL};
    open_side(&a, LEFT);
    open_side(&b, RIGHT);
    found.status = compare_models(&comparison, &a.fetch, &b.fetch, &options, &resources, &found.err);
    found.count = comparison.count;
    memcpy(found.count_of, comparison.count_of, sizeof found.count_of);
    found.codes = comparison.codes;
    found.zeros = comparison.zeros;
    found.scales = comparison.scales;
    found.values = comparison.values;
    found.max_relative = comparison.max_relative;
    if (comparison.first != NULL) {
        (void)snprintf(found.first, sizeof found.first, "%s", comparison.first->first);
        (void)snprintf(found.name, sizeof found.name, "%s", comparison.first->name);
    }
    compare_free(&comparison);
    close_side(&a);
    close_side(&b);
    return found;
}

static const struct compare_options bitwise = {.tolerance = -1};

/* Writes both and compares. */
static struct found compare_pair(struct checkpoint *left, struct checkpoint *right, struct compare_options options)
{
    assert_int_equal(clear_place(NULL), 0);
    checkpoint_write(left, LEFT);
    checkpoint_write(right, RIGHT);
    const struct found found = compare(options);
    assert_int_equal(found.status, STATUS_OK);
    return found;
}

static void all_equal(const struct found *found)
{
    assert_int_equal(found->count, LAYERS + 2);
    assert_int_equal(found->count_of[VERDICT_EQUAL], LAYERS + 2);
    assert_string_equal(found->name, "");
    assert_int_equal(found->codes + found->zeros + found->scales + found->values, 0);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(compare_verdict_name(VERDICT_EQUAL), "equal");
    assert_string_equal(compare_verdict_name(VERDICT_ROUNDED), "rounded");
    assert_string_equal(compare_verdict_name(VERDICT_DIFFERS), "differs");
    assert_string_equal(compare_verdict_name(VERDICT_MISSING), "missing");
}

static void every_two_dialects_are_equal(void **state)
{
    (void)state;
    for (enum dialect a = DIALECT_MS; a < DIALECT_CT; a++) {
        for (enum dialect b = DIALECT_MS; b < DIALECT_CT; b++) {
            struct checkpoint left, right;
            const struct found found = compare_pair(plain(&left, a), plain(&right, b), bitwise);
            all_equal(&found);
            checkpoint_free(&left);
            checkpoint_free(&right);
        }
    }
}

/* One number of the right side is changed. */
static void differences(void **state)
{
    struct checkpoint left, right;
    (void)state;
    plain(&left, DIALECT_AWQ);
    plain(&right, DIALECT_GPTQ_V2);
    right.layer[1].code[3 * 64 + 40] ^= 1;
    struct found found = compare_pair(&left, &right, bitwise);
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_int_equal(found.count_of[VERDICT_EQUAL], LAYERS + 1);
    assert_int_equal(found.codes, 1);
    assert_string_equal(found.name, "model.layers.1.up");
    assert_non_null(strstr(found.first, "code of row 3, column 40"));
    right.layer[1].code[3 * 64 + 40] ^= 1;
    right.layer[2].zero[5 * 2 + 1] ^= 4;
    found = compare_pair(&left, &right, bitwise);
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_int_equal(found.zeros, 1);
    assert_non_null(strstr(found.first, "zero of row 5, column 32"));
    right.layer[2].zero[5 * 2 + 1] ^= 4;
    right.layer[0].scale[0] = real_round(REAL_F16, 0.5f);
    found = compare_pair(&left, &right, bitwise);
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_int_equal(found.scales, 1);
    assert_non_null(strstr(found.first, "scale of row 0, column 0"));
    checkpoint_free(&left);
    checkpoint_free(&right);
}

static void rounded_scales(void **state)
{
    struct checkpoint left, right;
    (void)state;
    plain(&left, DIALECT_MS)->real = REAL_F32;
    plain(&right, DIALECT_AWQ);
    left.layer[0].scale[7] *= 1.0001f;
    struct found found = compare_pair(&left, &right, bitwise);
    assert_int_equal(found.count_of[VERDICT_ROUNDED], 1);
    assert_int_equal(found.count_of[VERDICT_EQUAL], LAYERS + 1);
    assert_string_equal(found.name, "");
    assert_true(found.max_relative > 0.9e-4 && found.max_relative < 1.1e-4);
    found = compare_pair(&right, &left, bitwise); /* either way round */
    assert_int_equal(found.count_of[VERDICT_ROUNDED], 1);
    found = compare_pair(&left, &right, (struct compare_options){.exact = true, .tolerance = -1});
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_int_equal(found.scales, 1);
    assert_string_equal(found.name, "model.layers.0.up");
    assert_non_null(strstr(found.first, "scale of row 3"));
    checkpoint_free(&left);
    checkpoint_free(&right);
}

static void tolerances(void **state)
{
    struct checkpoint left, right;
    (void)state;
    plain(&left, DIALECT_AWQ);
    plain(&right, DIALECT_AWQ);
    right.layer[0].scale[31] *= 1.0625f; /* one of the largest values, by a sixteenth */
    struct found found = compare_pair(&left, &right, (struct compare_options){.tolerance = 0.01});
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    found = compare_pair(&left, &right, (struct compare_options){.tolerance = 0.1});
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 0);
    assert_int_equal(found.count_of[VERDICT_ROUNDED], 1);
    assert_int_equal(found.scales, 0);
    assert_true(found.max_relative > 0.0 && found.max_relative <= 0.1);
    found = compare_pair(&left, &right, (struct compare_options){.tolerance = 0});
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    checkpoint_free(&left);
    checkpoint_free(&right);
}

static void groups_are_compared_by_column(void **state)
{
    struct checkpoint left, right;
    (void)state;
    plain(&left, DIALECT_AWQ);
    plain(&right, DIALECT_GPTQ_V2);
    right.group = 16;
    for (size_t l = 0; l < LAYERS; l++) {
        struct layer *layer = &right.layer[l], finer = *layer;
        finer.group = 16;
        layer_alloc(&finer);
        memcpy(finer.code, layer->code, 16 * 64);
        for (size_t i = 0; i < 64; i++) {
            finer.scale[i] = layer->scale[i / 2];
            finer.zero[i] = layer->zero[i / 2];
        }
        finer.group_of = malloc(64 * sizeof *finer.group_of);
        assert_non_null(finer.group_of);
        for (int32_t k = 0; k < 64; k++)
            finer.group_of[k] = l == 1 ? 0 : k / 16; /* all zero is read as groups in order */
        free(layer->code);
        free(layer->zero);
        free(layer->scale);
        free(layer->offset);
        *layer = finer;
    }
    struct found found = compare_pair(&left, &right, bitwise);
    all_equal(&found);
    right.layer[0].group_of[0] = 3; /* one column in another group */
    found = compare_pair(&left, &right, bitwise);
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_int_equal(found.scales, 16);
    checkpoint_free(&left);
    checkpoint_free(&right);
}

static void dead_groups_have_no_codes(void **state)
{
    struct checkpoint left, right;
    (void)state;
    plain(&left, DIALECT_MS);
    plain(&right, DIALECT_GPTQ);
    left.layer[0].scale[2] = right.layer[0].scale[2] = 0.0f;
    left.layer[0].offset[2] = NAN;
    right.layer[0].zero[2] = 3;
    right.layer[0].code[64] ^= 15;
    struct found found = compare_pair(&left, &right, bitwise);
    all_equal(&found);
    right.layer[0].scale[2] = real_round(REAL_F16, 0.5f); /* dead on one side only */
    found = compare_pair(&left, &right, bitwise);
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    checkpoint_free(&left);
    checkpoint_free(&right);
}

static void what_one_side_lacks(void **state)
{
    struct checkpoint left, right;
    (void)state;
    plain(&left, DIALECT_AWQ);
    plain(&right, DIALECT_AWQ);
    (void)snprintf(right.layer[1].name, sizeof right.layer[1].name, "model.layers.7.up");
    struct found found = compare_pair(&left, &right, bitwise);
    assert_int_equal(found.count, LAYERS + 3);
    assert_int_equal(found.count_of[VERDICT_MISSING], 2);
    assert_string_equal(found.name, "model.layers.1.up");
    assert_string_equal(found.first, "only in the first");
    found = compare_pair(&right, &left, bitwise);
    assert_string_equal(found.first, "only in the second");
    (void)snprintf(right.layer[1].name, sizeof right.layer[1].name, "model.layers.1.up");
    right.layer[1].out = 8;
    found = compare_pair(&left, &right, bitwise);
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_string_equal(found.first, "other dimensions");
    checkpoint_free(&left);
    checkpoint_free(&right);
}

static void ambiguous_zeros_are_refused(void **state)
{
    struct checkpoint left, right;
    (void)state;
    plain(&left, DIALECT_GPTQ)->v1 = V1_SILENT;
    plain(&right, DIALECT_GPTQ_V2);
    left.layer[0].zero[0] = right.layer[0].zero[0] = 0;
    assert_int_equal(clear_place(NULL), 0);
    checkpoint_write(&left, LEFT);
    checkpoint_write(&right, RIGHT);
    const struct found found = compare(bitwise);
    assert_int_equal(found.status, STATUS_CORRUPT);
    assert_non_null(strstr(found.err.what, "R-AMBIG-V1"));
    left.v1 = V1_META; /* the writer is known */
    const struct found known = compare_pair(&left, &right, bitwise);
    all_equal(&known);
    checkpoint_free(&left);
    checkpoint_free(&right);
}

/* --- float checkpoints ------------------------------------------------------------------------------------------------------------ */

/* `change` is added to the bits of the first value. */
static void write_dense(const char *dir, const struct layer *layer, enum real real, uint32_t change)
{
    struct shard shard = {0};
    char name[96];
    (void)snprintf(name, sizeof name, "%s.weight", layer->name);
    uint8_t *data = shard_add(&shard, name, real_name(real), "16,64", 16 * 64 * real_size(real));
    for (size_t i = 0; i < 16 * 64; i++) {
        const size_t at = i / 32;
        const float value = layer->scale[at] == 0.0f ? 0.0f : (float)(layer->code[i] - layer->zero[at]) * layer->scale[at];
        real_put(data, real, i, real_round(real, value));
    }
    data[0] = (uint8_t)(data[0] + change);
    assert_int_equal(mkdir(dir, 0777), 0);
    spill(dir, "config.json", "{}", 2);
    shard_write(&shard, dir, "model.safetensors");
}

/* A checkpoint of one layer in three copies against one float tensor: the other two layers, and the floats, are missing. */
static struct found compare_dense(const struct checkpoint *left, enum real real, uint32_t change, struct compare_options options)
{
    assert_int_equal(clear_place(NULL), 0);
    checkpoint_write(left, LEFT);
    write_dense(RIGHT, &left->layer[0], real, change);
    const struct found found = compare(options);
    assert_int_equal(found.status, STATUS_OK);
    assert_int_equal(found.count_of[VERDICT_MISSING], LAYERS + 1);
    assert_int_equal(found.count, LAYERS + 2);
    return found;
}

static void a_weight_and_a_float_tensor(void **state)
{
    struct checkpoint left;
    (void)state;
    plain(&left, DIALECT_AWQ);
    left.layer[0].code[0] = (uint8_t)(left.layer[0].zero[0] == 15 ? 3 : 15); /* a first value that is not 0 */
    assert_int_equal(compare_dense(&left, REAL_F32, 0, bitwise).count_of[VERDICT_EQUAL], 1);
    assert_int_equal(compare_dense(&left, REAL_BF16, 0, bitwise).count_of[VERDICT_ROUNDED], 1);
    assert_int_equal(compare_dense(&left, REAL_BF16, 0, (struct compare_options){.exact = true, .tolerance = -1}).count_of[VERDICT_DIFFERS], 1);
    struct found found = compare_dense(&left, REAL_F32, 1, bitwise);
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_int_equal(found.values, 1);
    assert_string_equal(found.name, "model.embed_tokens.weight"); /* the first by name, which is missing */
    assert_int_equal(compare_dense(&left, REAL_F32, 1, (struct compare_options){.tolerance = 1e-5}).count_of[VERDICT_DIFFERS], 0);
    checkpoint_free(&left);
}

/* Writes a float checkpoint of up to three tensors: name, dtype, value; four elements each ("2,2" for .weight). */
struct tiny {
    const char *name;
    enum real real;
    float value;
};

static void write_tiny(const char *dir, const struct tiny *tiny, size_t count)
{
    struct shard shard = {0};
    for (size_t t = 0; t < count; t++) {
        const bool matrix = strstr(tiny[t].name, ".weight") != NULL;
        uint8_t *data = shard_add(&shard, tiny[t].name, real_name(tiny[t].real), matrix ? "2,2" : "4", 4 * real_size(tiny[t].real));
        for (size_t i = 0; i < 4; i++)
            real_put(data, tiny[t].real, i, real_round(tiny[t].real, tiny[t].value));
    }
    assert_int_equal(mkdir(dir, 0777), 0);
    spill(dir, "config.json", "{}", 2);
    shard_write(&shard, dir, "model.safetensors");
}

static struct found compare_tiny(const struct tiny *left, size_t lefts, const struct tiny *right, size_t rights, struct compare_options options)
{
    assert_int_equal(clear_place(NULL), 0);
    write_tiny(LEFT, left, lefts);
    write_tiny(RIGHT, right, rights);
    const struct found found = compare(options);
    assert_int_equal(found.status, STATUS_OK);
    return found;
}

static void two_float_tensors(void **state)
{
    const struct tiny f32 = {"a.weight", REAL_F32, 0.1f}, f16 = {"a.weight", REAL_F16, 0.1f}, bf16 = {"a.weight", REAL_BF16, 0.1f};
    const struct tiny half = {"a.weight", REAL_F16, 0.5f}, same = {"a.weight", REAL_F32, 0.5f}, flat = {"a.bias", REAL_F32, 0.1f};
    (void)state;
    assert_int_equal(compare_tiny(&f32, 1, &f32, 1, bitwise).count_of[VERDICT_EQUAL], 1);
    assert_int_equal(compare_tiny(&half, 1, &same, 1, bitwise).count_of[VERDICT_EQUAL], 1); /* another dtype, the same values */
    struct found found = compare_tiny(&f32, 1, &bf16, 1, bitwise);
    assert_int_equal(found.count_of[VERDICT_ROUNDED], 1);
    assert_true(found.max_relative > 0.0 && found.max_relative < 0.004);
    found = compare_tiny(&f32, 1, &bf16, 1, (struct compare_options){.exact = true, .tolerance = -1});
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_int_equal(found.values, 4);
    found = compare_tiny(&f32, 1, &half, 1, bitwise);
    assert_int_equal(found.count_of[VERDICT_DIFFERS], 1);
    assert_int_equal(found.values, 4);
    assert_int_equal(compare_tiny(&f16, 1, &half, 1, (struct compare_options){.tolerance = 5}).count_of[VERDICT_ROUNDED], 1);
    found = compare_tiny(&f32, 1, &flat, 1, bitwise);
    assert_int_equal(found.count_of[VERDICT_MISSING], 2);
}

static void leftovers_are_no_difference(void **state)
{
    const struct tiny base[] = {{"model.embed_tokens.weight", REAL_F16, 2.0f}};
    const struct tiny zeros[] = {base[0], {"model.norm.bias", REAL_F16, 0.0f}}, ones[] = {base[0], {"model.norm.bias", REAL_F16, 1.0f}};
    const struct tiny tied[] = {base[0], {"lm_head.weight", REAL_F16, 2.0f}}, own[] = {base[0], {"lm_head.weight", REAL_F16, 3.0f}};
    (void)state;
    struct found found = compare_tiny(base, 1, zeros, 2, bitwise);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.count_of[VERDICT_EQUAL], 1);
    assert_int_equal(compare_tiny(zeros, 2, base, 1, bitwise).count, 1);
    assert_int_equal(compare_tiny(base, 1, ones, 2, bitwise).count_of[VERDICT_MISSING], 1);
    assert_int_equal(compare_tiny(tied, 2, base, 1, bitwise).count, 1);
    assert_int_equal(compare_tiny(own, 2, base, 1, bitwise).count_of[VERDICT_MISSING], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(every_two_dialects_are_equal),
        cmocka_unit_test(differences),
        cmocka_unit_test(rounded_scales),
        cmocka_unit_test(tolerances),
        cmocka_unit_test(groups_are_compared_by_column),
        cmocka_unit_test(dead_groups_have_no_codes),
        cmocka_unit_test(what_one_side_lacks),
        cmocka_unit_test(ambiguous_zeros_are_refused),
        cmocka_unit_test(a_weight_and_a_float_tensor),
        cmocka_unit_test(two_float_tensors),
        cmocka_unit_test(leftovers_are_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
