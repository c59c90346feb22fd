/* Inputs in the order of their groups, and rows that follow: who does, and that what is read stands where it belongs. */
#include "plan/reorder.h"

#include "directory.h"
#include "plan/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "reorder.tmp"
#define IN 64u
#define CONFIG \
    "{\"quantization_config\": {\"quant_method\": \"gptq\", \"checkpoint_format\": \"gptq_v2\", \"bits\": 4, \"group_size\": 32, \"sym\": false, " \
    "\"desc_act\": true}}"
#define DOWN(name) \
    {name ".qweight", "I32", "8, 8", {0}}, {name ".qzeros", "I32", "2, 1", {0}}, {name ".scales", "F16", "2, 8", {0}}, \
    { \
        name ".g_idx", "I32", "64", \
        { \
            0 \
        } \
    }

/* One gate with up below it, and two apart: codes and floats. */
static const struct entry base[] = {
    DOWN("m.0.down_proj"),
    {"m.0.gate_up_proj.qweight", "I32", "8, 128", {0}},
    {"m.0.gate_up_proj.qzeros", "I32", "2, 16", {0}},
    {"m.0.gate_up_proj.scales", "F16", "2, 128", {0}},
    DOWN("m.1.w2"),
    {"m.1.w1.weight", "F16", "64, 2", {0}},
    {"m.1.w1.bias", "F16", "64", {0}},
    {"m.1.w3.weight", "BF16", "64, 2", {0}},
    DOWN("m.2.other"),
    {NULL, NULL, NULL, {0}},
};

struct bench {
    struct opened opened;
    struct fetch fetch;
    struct aims aims;
    struct scratch scratch;
    struct err err;
};

/* The group of column k: both groups all over the row. */
static int32_t spread(uint32_t k)
{
    return (int32_t)(k * 29 % IN / 32);
}

static void fill(const struct bench *b, const char *name, uint8_t (*byte)(uint64_t at))
{
    const uint32_t index = model_find(&b->opened.model, slice_of(name));
    assert_int_not_equal(index, MODEL_NONE);
    FILE *file = fopen(DIR "/model.safetensors", "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)b->opened.model.tensor[index].offset, SEEK_SET), 0);
    for (uint64_t i = 0; i < b->opened.model.tensor[index].bytes; i++)
        assert_int_not_equal(fputc(byte(i), file), EOF);
    assert_int_equal(fclose(file), 0);
}

static uint8_t any_byte(uint64_t at)
{
    return (uint8_t)((at + 1) * 2654435761u >> 13);
}
static uint8_t any_half(uint64_t at) /* of finite numbers */
{
    return at % 2 == 0 ? any_byte(at) : (uint8_t)(any_byte(at) & 0x3f);
}
static uint8_t map_byte(uint64_t at)
{
    return at % 4 == 0 ? (uint8_t)spread((uint32_t)(at / 4)) : 0;
}
static uint8_t uneven_byte(uint64_t at)
{
    return at % 4 == 0 && at / 4 % 3 == 0;
}

static void bench_open(struct bench *b, const struct entry *changes, bool importance, uint8_t (*map)(uint64_t at))
{
    memset(b, 0, sizeof *b);
    directory_write(DIR, base, changes, CONFIG);
    if (directory_read(&b->opened, DIR) != STATUS_OK)
        fail_msg("%s: %s", b->opened.err.where, b->opened.err.what);
    for (size_t t = 0; t < b->opened.model.tensor_count; t++) {
        const struct tensor *tensor = &b->opened.model.tensor[t];
        const bool is_map = slice_ends(slice_of(tensor->name), ".g_idx");
        fill(b, tensor->name, is_map ? map : dtype_is_plain_float(tensor->dtype) ? any_half : any_byte);
    }
    assert_int_equal(fetch_open(&b->fetch, &file_posix, &b->opened.model, &b->err), STATUS_OK);
    b->aims.weight = mem_alloc(b->opened.model.weight_count, sizeof *b->aims.weight, &b->err);
    for (size_t w = 0; w < b->opened.model.weight_count; w++)
        b->aims.weight[w].blocks = true;
    if (reorder_inputs(&b->opened.model, &b->aims, &b->fetch, importance, &b->err) != STATUS_OK)
        fail_msg("%s: %s", b->err.where, b->err.what);
}

static void bench_close(struct bench *b)
{
    free(b->aims.weight);
    scratch_free(&b->scratch);
    fetch_close(&b->fetch);
    directory_close(&b->opened);
}

static struct weight *find(struct bench *b, const char *name)
{
    for (size_t w = 0; w < b->opened.model.weight_count; w++)
        if (strcmp(b->opened.model.weight[w].name, name) == 0)
            return &b->opened.model.weight[w];
    fail_msg("no weight %s", name);
    return NULL;
}

static const char *stuck_of(struct bench *b, const char *name)
{
    return b->aims.weight[find(b, name) - b->opened.model.weight].stuck;
}

/* The columns of group 0, then those of group 1. */
static void expect_sorted(const uint32_t *order, uint32_t count)
{
    uint32_t at = 0;
    assert_non_null(order);
    for (uint32_t part = 0; part < count / IN; part++)
        for (int32_t g = 0; g < 2; g++)
            for (uint32_t k = 0; k < IN; k++)
                if (spread(k) == g)
                    assert_int_equal(order[at++], part * IN + k);
    assert_int_equal(at, count);
}

/* Every area of codes and parameters is the stored one, gathered. */
static void expect_gathered(struct bench *b, const struct weight *weight)
{
    struct weight plain = *weight;
    struct scratch other = {0};
    struct codes all, some;
    struct params whole, part;
    uint32_t *map, *own;
    plain.row_order = plain.column_order = NULL;
    assert_int_equal(decode_codes(&b->fetch, &plain, (struct area){0, weight->out, 0, weight->in}, &other, &all, &b->err), STATUS_OK);
    assert_int_equal(params_load(&b->fetch, &plain, (struct area){0, weight->out, 0, weight->groups}, &other, &whole, &b->err), STATUS_OK);
    assert_int_equal(decode_group_of(&b->fetch, &plain, false, &other, &map, &b->err), STATUS_OK);
    for (uint64_t out0 = 0; out0 < weight->out; out0 += 24) {
        for (uint64_t in0 = 0; in0 < weight->in; in0 += 16) {
            const struct area area = {out0, weight->out - out0 < 24 ? weight->out - out0 : 24, in0, in0 == 32 ? 32 : 16};
            assert_int_equal(decode_codes(&b->fetch, weight, area, &b->scratch, &some, &b->err), STATUS_OK);
            for (uint64_t i = 0; i < area.out * area.in; i++) {
                const uint64_t row = out0 + i / area.in, k = in0 + i % area.in;
                const uint64_t from = weight->row_order == NULL ? row : weight->row_order[row],
                               column = weight->column_order == NULL ? k : weight->column_order[k];
                assert_int_equal(some.data[i / area.in * some.stride + i % area.in], all.data[from * all.stride + column]);
            }
        }
        const struct area area = {out0, weight->out - out0 < 24 ? weight->out - out0 : 24, 0, weight->groups};
        assert_int_equal(params_load(&b->fetch, weight, area, &b->scratch, &part, &b->err), STATUS_OK);
        for (uint64_t i = 0; i < part.count; i++) {
            const uint64_t row = out0 + i / weight->groups,
                           from = (weight->row_order == NULL ? row : weight->row_order[row]) * weight->groups + i % weight->groups;
            assert_true(part.scale[i] == whole.scale[from]);
            assert_int_equal(part.zero[i], whole.zero[from]);
            assert_int_equal(part.field[i], whole.field[from]);
        }
    }
    assert_int_equal(decode_group_of(&b->fetch, weight, false, &b->scratch, &own, &b->err), STATUS_OK);
    for (uint64_t k = 0; k < weight->in; k++)
        assert_int_equal(own[k], map[weight->column_order == NULL ? k : weight->column_order[k]]);
    scratch_free(&other);
}

static void rows_of_codes_follow(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, NULL, false, map_byte);
    expect_sorted(find(&b, "m.0.down_proj")->column_order, IN);
    expect_sorted(find(&b, "m.0.gate_up_proj")->row_order, 2 * IN);
    assert_null(find(&b, "m.0.down_proj")->row_order);
    assert_null(find(&b, "m.2.other")->column_order);
    assert_null(stuck_of(&b, "m.2.other"));
    expect_gathered(&b, find(&b, "m.0.down_proj"));
    expect_gathered(&b, find(&b, "m.0.gate_up_proj"));
    bench_close(&b);
}

static void rows_of_floats_follow(void **state)
{
    static const char *const names[] = {"m.1.w1.weight", "m.1.w1.bias", "m.1.w3.weight"};
    struct bench b;
    (void)state;
    bench_open(&b, NULL, false, map_byte);
    expect_sorted(find(&b, "m.1.w2")->column_order, IN);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const uint32_t index = model_find(&b.opened.model, slice_of(names[i]));
        struct tensor *tensor = &b.opened.model.tensor[index];
        const uint32_t *order = tensor->order;
        const uint64_t row = tensor->bytes / IN;
        uint8_t stored[4 * IN], data[4 * IN];
        expect_sorted(order, IN);
        tensor->order = NULL;
        assert_int_equal(fetch_bytes(&b.fetch, index, 0, stored, tensor->bytes, &b.err), STATUS_OK);
        tensor->order = order;
        for (uint64_t first = 0; first < tensor->bytes; first += 3) {
            const uint64_t size = tensor->bytes - first < 41 ? tensor->bytes - first : 41;
            assert_int_equal(fetch_bytes(&b.fetch, index, first, data, size, &b.err), STATUS_OK);
            for (uint64_t at = 0; at < size; at++)
                assert_int_equal(data[at], stored[order[(first + at) / row] * row + (first + at) % row]);
        }
    }
    bench_close(&b);
}

static void what_cannot_follow_holds_inputs_back(void **state)
{
    static const struct entry absent[] = {{"m.1.w3.weight", "", "", {0}}, {NULL, NULL, NULL, {0}}};
    static const struct entry shorter[] = {{"m.1.w1.bias", "F16", "63", {0}}, {NULL, NULL, NULL, {0}}};
    static const struct {
        const struct entry *changes;
        bool importance;
        uint8_t (*map)(uint64_t at);
        const char *why;
    } rows[] = {
        {absent, false, map_byte, "ffn_gate and ffn_up, whose rows are its inputs, cannot follow"},
        {shorter, false, map_byte, "ffn_gate and ffn_up, whose rows are its inputs, cannot follow"},
        {NULL, true, map_byte, "the importance matrix"},
        {NULL, false, uneven_byte, "no whole blocks even in order"},
    };
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct bench b;
        bench_open(&b, rows[r].changes, rows[r].importance, rows[r].map);
        assert_null(find(&b, "m.1.w2")->column_order);
        assert_null(b.opened.model.tensor[model_find(&b.opened.model, slice_of("m.1.w1.weight"))].order);
        assert_non_null(stuck_of(&b, "m.1.w2"));
        assert_non_null(strstr(stuck_of(&b, "m.1.w2"), rows[r].why));
        bench_close(&b);
    }
}

static void the_other_side_shows_the_order(void **state)
{
    struct bench a, b;
    size_t moved;
    (void)state;
    bench_open(&a, NULL, false, map_byte); /* in order */
    bench_open(&b, NULL, true, map_byte);  /* as stored */
    const struct reorder_side left = {&a.opened.model, &a.fetch}, right = {&b.opened.model, &b.fetch};
    assert_int_equal(reorder_meet(left, right, &moved, &a.err), STATUS_OK);
    assert_int_equal(moved, 0);
    assert_int_equal(reorder_meet(right, left, &moved, &a.err), STATUS_OK);
    assert_int_equal(moved, 2);
    expect_sorted(find(&b, "m.0.down_proj")->column_order, IN);
    expect_sorted(find(&b, "m.0.gate_up_proj")->row_order, 2 * IN);
    bench_close(&a);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_codes_follow),
        cmocka_unit_test(rows_of_floats_follow),
        cmocka_unit_test(what_cannot_follow_holds_inputs_back),
        cmocka_unit_test(the_other_side_shows_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
