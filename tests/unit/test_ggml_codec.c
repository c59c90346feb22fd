/* ggml's block types against ggml: every answer of the fixture made of its own quantization vectors (fixtures/make_ggml.py); what is no number; the grids. */
#include "codec/ggml_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "numbers.h"

enum answer { PLAIN, WEIGHTED, WEIGHTED_ZEROS, VALUES, VALUES_WEIGHTED, ANSWERS };
enum { ABSENT, REFUSED }; /* instead of a hash */

#define COLUMNS_MAX 1024
#define ROW_BYTES_MAX (4 * COLUMNS_MAX)

static char *fixture; /* a safetensors file; its header ends with a NUL that replaces a blank or the last brace */
static size_t fixture_bytes;
static struct arena arena;
static struct ggml_grids grids;

static int setup(void **state)
{
    (void)state;
    char path[1200];
    const char *folder = getenv("REPAQ_FIXTURES");
    NEED(folder != NULL);
    (void)snprintf(path, sizeof path, "%s/ggml.safetensors", folder);
    FILE *file = fopen(path, "rb");
    NEED(file != NULL && fseek(file, 0, SEEK_END) == 0);
    fixture_bytes = (size_t)ftell(file);
    fixture = malloc(fixture_bytes);
    NEED(fixture != NULL && fseek(file, 0, SEEK_SET) == 0 && fread(fixture, 1, fixture_bytes, file) == fixture_bytes);
    NEED(fclose(file) == 0);
    struct err err;
    for (int t = 0; t < GGML_COUNT; t++)
        assert_int_equal(ggml_grid_build(&arena, (enum ggml_type)t, &grids, &err), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(fixture);
    arena_free(&arena);
    return 0;
}

struct tensor {
    const void *data; /* NULL: not in the fixture */
    uint64_t rows;    /* of F32 [columns]: the columns; of U8 [5][rows][8]: the rows */
    uint64_t columns; /* of F32 [rows][columns] */
};

/* A tensor of the fixture, by the text of its header. */
static struct tensor find(const char *set, const char *name)
{
    char key[64], *at, *end;
    uint64_t header, shape[3] = {0}, first;
    memcpy(&header, fixture, sizeof header);
    (void)snprintf(key, sizeof key, "\"%s.%s\":{", set, name);
    at = memmem(fixture + 8, header, key, strlen(key));
    if (at == NULL)
        return (struct tensor){0};
    at = strstr(at, "\"shape\":[") + 9;
    for (size_t i = 0; i < 3; i++, at = end + 1) {
        shape[i] = strtoull(at, &end, 10);
        if (*end == ']')
            break;
    }
    first = strtoull(strstr(at, "\"data_offsets\":[") + 16, &end, 10);
    return (struct tensor){fixture + 8 + header + first, shape[2] == 8 ? shape[1] : shape[0], shape[1]};
}

static uint64_t fnv(const void *data, size_t size)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        value = (value ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
    return value;
}

static uint64_t expected(struct tensor hashes, enum answer answer, uint64_t row)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)hashes.data + 8 * ((uint64_t)answer * hashes.rows + row), sizeof value);
    return value;
}

/* One row with one of the importances, and the values of the bytes. */
static unsigned check_row(enum ggml_type type, struct tensor hashes, uint64_t number, const struct ggml_codec_row *row, enum answer answer)
{
    static uint8_t bytes[ROW_BYTES_MAX];
    static float values[COLUMNS_MAX];
    uint64_t size;
    const uint64_t wanted = expected(hashes, answer, number);
    assert_true(ggml_row_bytes(type, row->elements, &size) && size <= sizeof bytes && row->elements <= COLUMNS_MAX);
    if (wanted == ABSENT)
        return 0;
    const bool sound = ggml_codec_quantize(type, row, &grids, bytes) && ggml_codec_valid(type, bytes, row->elements);
    static uint8_t plain[ROW_BYTES_MAX];
    if (sound)
        assert_true(ggml_codec_quantize_with(NULL, type, row, &grids, plain) && memcmp(plain, bytes, size) == 0);
    if ((sound ? fnv(bytes, size) : REFUSED) != wanted)
        fail_msg("%s, row %llu, answer %d: not ggml's bytes", ggml_name(type), (unsigned long long)number, (int)answer);
    if (!sound || answer == WEIGHTED_ZEROS)
        return 1;
    const uint64_t decoded = expected(hashes, answer == PLAIN ? VALUES : VALUES_WEIGHTED, number);
    ggml_codec_dequantize(type, bytes, row->elements, values);
    if (decoded != ABSENT && fnv(values, row->elements * sizeof *values) != decoded)
        fail_msg("%s, row %llu, answer %d: not ggml's values", ggml_name(type), (unsigned long long)number, (int)answer);
    return decoded != ABSENT ? 2 : 1;
}

static unsigned check_set(const char *set, unsigned *types)
{
    static const char *const importance[] = {NULL, "imatrix", "imatrix_zeros"};
    const struct tensor input = find(set, "input");
    unsigned answers = 0;
    NEED(input.data != NULL);
    *types = 0;
    for (int t = 0; t < GGML_COUNT; t++) {
        const enum ggml_type type = (enum ggml_type)t;
        const struct tensor hashes = find(set, ggml_name(type));
        if (hashes.data == NULL)
            continue;
        assert_true(ggml_codec_has(type));
        assert_int_equal(hashes.rows, input.rows);
        ++*types;
        for (enum answer answer = PLAIN; answer <= WEIGHTED_ZEROS; answer++) {
            const struct tensor weights = answer != PLAIN ? find(set, importance[answer]) : (struct tensor){0};
            assert_true(answer != PLAIN || ggml_codec_needs_weights(type) == (expected(hashes, PLAIN, 0) == ABSENT));
            for (uint64_t r = 0; r < input.rows; r++) {
                const struct ggml_codec_row row = {(const float *)input.data + r * input.columns, weights.data, input.columns};
                answers += check_row(type, hashes, r, &row, answer);
            }
        }
    }
    return answers;
}

static void every_row_of_the_vectors(void **state)
{
    (void)state;
    unsigned types;
    assert_int_equal(check_set("rows", &types), 41 * (27 * 5 - 3 * 2)); /* three types must have weights */
    assert_int_equal(types, 27);
}

static void rows_that_are_no_multiple_of_256(void **state)
{
    (void)state;
    unsigned types;
    assert_true(check_set("narrow", &types) >= 6 * 9 * 2);
    assert_int_equal(types, 9);
}

static void what_overflows_is_refused_where_ggml_does(void **state)
{
    (void)state;
    unsigned types;
    assert_true(check_set("extreme", &types) >= 6 * 27);
    assert_int_equal(types, 27);
}

/* Each half of a sound block in turn becomes an infinity and a NaN: of all types the places of scales, and no others, are seen. */
static void a_scale_that_is_no_number_is_found(void **state)
{
    (void)state;
    static const struct {
        enum ggml_type type;
        int first, second; /* bytes where an F16 is; -1: none */
    } scales[] = {{GGML_Q4_0, 0, -1},   {GGML_Q4_1, 0, 2},    {GGML_Q5_0, 0, -1},    {GGML_Q5_1, 0, 2},    {GGML_Q8_0, 0, -1},   {GGML_Q1_0, 0, -1},
                  {GGML_Q2_0, 0, -1},   {GGML_Q2_K, 80, 82},  {GGML_Q3_K, 108, -1},  {GGML_Q4_K, 0, 2},    {GGML_Q5_K, 0, 2},    {GGML_Q6_K, 208, -1},
                  {GGML_IQ4_NL, 0, -1}, {GGML_IQ4_XS, 0, -1}, {GGML_IQ2_XXS, 0, -1}, {GGML_IQ2_XS, 0, -1}, {GGML_IQ2_S, 0, -1},  {GGML_IQ3_XXS, 0, -1},
                  {GGML_IQ3_S, 0, -1},  {GGML_IQ1_S, 0, -1},  {GGML_TQ1_0, 52, -1},  {GGML_TQ2_0, 64, -1}, {GGML_NVFP4, -1, -1}, {GGML_F16, 0, -1}};
    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
        const uint32_t size = ggml_block_bytes(scales[s].type), elements = ggml_block_elements(scales[s].type);
        for (uint32_t at = 0; at + 2 <= size; at += 2)
            for (uint32_t kind = 0; kind < 4; kind++) {
                uint8_t blocks[3 * 210] = {0}; /* three, and the middle one is damaged */
                static const uint16_t odd[] = {0x7c00, 0xfc00, 0x7e01, 0x7bff};
                memcpy(blocks + size + at, odd + kind, 2);
                const bool scale = (int)at == scales[s].first || (int)at == scales[s].second;
                assert_int_equal(ggml_codec_valid(scales[s].type, blocks, 3 * elements), !scale || odd[kind] == 0x7bff);
                assert_true(ggml_codec_valid(scales[s].type, blocks, elements));
            }
    }
    uint8_t mx[17] = {254}, m[56] = {0}, brain[2] = {0x80, 0x7f}, whole[4] = {0, 0, 0x80, 0xff};
    assert_true(ggml_codec_valid(GGML_MXFP4, mx, 32));
    mx[0] = 255;
    assert_false(ggml_codec_valid(GGML_MXFP4, mx, 32));
    m[53] = 0xc0, m[55] = 0x70; /* top nibbles of words 2 and 3: 0x7c00 */
    assert_false(ggml_codec_valid(GGML_IQ1_M, m, 256));
    m[53] = 0x80;
    assert_true(ggml_codec_valid(GGML_IQ1_M, m, 256));
    assert_false(ggml_codec_valid(GGML_BF16, brain, 1));
    assert_false(ggml_codec_valid(GGML_F32, whole, 1));
    brain[1] = 0x7e, whole[3] = 0xfe;
    assert_true(ggml_codec_valid(GGML_BF16, brain, 1));
    assert_true(ggml_codec_valid(GGML_F32, whole, 1));
}

static void values_that_are_no_numbers_are_found(void **state)
{
    (void)state;
    float values[67] = {0};
    values[3] = 0x1.fffffep127f, values[4] = -0x1p-149f, values[5] = -0.0f;
    assert_true(ggml_codec_finite(values, 67));
    for (size_t i = 0; i < 67; i++) {
        const float kept = values[i];
        const float odd[] = {INFINITY, -INFINITY, NAN, float_of(0xff800001u)};
        for (size_t k = 0; k < 4; k++) {
            values[i] = odd[k];
            assert_false(ggml_codec_finite(values, 67));
            assert_true(ggml_codec_finite(values, i));
        }
        values[i] = kept;
    }
}

/* Every list of neighbours: by distance, then number; whole shells; no point nearer than its last is missing. */
static void neighbours_are_the_nearest_points(void **state)
{
    (void)state;
    static const struct {
        enum ggml_grid_id id;
        uint32_t size;
        int digits, levels, bits, shells;
    } wanted[] = {{GGML_GRID_IQ2_XXS, 256, 8, 3, 2, 2}, {GGML_GRID_IQ2_XS, 512, 8, 3, 2, 2}, {GGML_GRID_IQ2_S, 1024, 8, 3, 2, 1},
                  {GGML_GRID_IQ3_XXS, 256, 4, 8, 3, 2}, {GGML_GRID_IQ3_S, 512, 4, 8, 3, 3},  {GGML_GRID_IQ1, 2048, 8, 3, 2, 3}};
    for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
        const struct ggml_grid *grid = grids.grid + wanted[w].id;
        const int digits = wanted[w].digits;
        assert_int_equal(grid->size, wanted[w].size);
        uint32_t places = 1, stride = 1;
        for (int i = 0; i < digits; i++)
            places *= (uint32_t)wanted[w].levels;
        for (uint32_t place = 0; place < places; place += stride, stride = stride % 13 + 1) {
            unsigned packed = 0;
            int odd[8];
            for (uint32_t i = 0, rest = place; i < (uint32_t)digits; i++, rest /= (uint32_t)wanted[w].levels) {
                odd[i] = 2 * (int)(rest % (uint32_t)wanted[w].levels) + 1;
                packed |= (rest % (uint32_t)wanted[w].levels) << (uint32_t)wanted[w].bits * i;
            }
            int squares[2048];
            for (uint32_t p = 0; p < grid->size; p++) {
                squares[p] = 0;
                for (int i = 0; i < digits; i++)
                    squares[p] += (odd[i] - grid->odd[p * (uint32_t)digits + (uint32_t)i]) * (odd[i] - grid->odd[p * (uint32_t)digits + (uint32_t)i]);
            }
            if (grid->map[packed] >= 0) {
                assert_int_equal(squares[grid->map[packed]], 0);
                assert_int_equal(ggml_grid_points[wanted[w].id][grid->map[packed]], packed);
                continue;
            }
            const uint16_t *list = grid->neighbours - 1 - grid->map[packed];
            int shells = 1;
            uint32_t within = 0;
            for (int n = 2; n <= list[0]; n++) {
                const int32_t last = grid->map[list[n - 1]], next = grid->map[list[n]];
                assert_true(last >= 0 && next >= 0);
                const int before = squares[last], now = squares[next];
                assert_true(before < now || (before == now && last < next));
                shells += before < now;
            }
            for (uint32_t p = 0; p < grid->size; p++)
                within += squares[p] <= squares[grid->map[list[list[0]]]];
            assert_int_equal(shells, wanted[w].shells);
            assert_int_equal(within, list[0]);
        }
    }
}

static void types_without_blocks_have_no_codec(void **state)
{
    (void)state;
    unsigned count = 0;
    for (int t = 0; t < GGML_COUNT + 2; t++) {
        const enum ggml_type type = (enum ggml_type)t;
        const bool has = ggml_codec_has(type);
        assert_int_equal(has, ggml_kind(type) == GGML_KIND_BLOCK || (ggml_kind(type) == GGML_KIND_FLOAT && type != GGML_F64));
        count += has;
    }
    assert_int_equal(count, 28);
}

static void f32_is_copied(void **state)
{
    (void)state;
    const float values[3] = {1, -0.0f, 0x1p-149f};
    float back[3];
    uint8_t bytes[12];
    const struct ggml_codec_row row = {values, NULL, 3};
    assert_true(ggml_codec_quantize(GGML_F32, &row, NULL, bytes));
    assert_memory_equal(bytes, values, sizeof values);
    ggml_codec_dequantize(GGML_F32, bytes, 3, back);
    assert_memory_equal(back, values, sizeof values);
}

/* A grid is built once, and only for types that have one. */
static void grids_are_built_when_needed(void **state)
{
    (void)state;
    struct arena own = {0};
    struct ggml_grids some = {0};
    struct err err;
    assert_int_equal(ggml_grid_build(&own, GGML_Q4_K, &some, &err), STATUS_OK);
    assert_int_equal(own.bytes, 0);
    assert_int_equal(ggml_grid_build(&own, GGML_IQ2_XXS, &some, &err), STATUS_OK);
    const size_t bytes = own.bytes;
    assert_int_equal(ggml_grid_build(&own, GGML_IQ2_XXS, &some, &err), STATUS_OK);
    assert_int_equal(own.bytes, bytes);
    assert_non_null(some.grid[GGML_GRID_IQ2_XXS].map);
    assert_null(some.grid[GGML_GRID_IQ1].map);
    arena_free(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_vectors),
        cmocka_unit_test(rows_that_are_no_multiple_of_256),
        cmocka_unit_test(what_overflows_is_refused_where_ggml_does),
        cmocka_unit_test(a_scale_that_is_no_number_is_found),
        cmocka_unit_test(values_that_are_no_numbers_are_found),
        cmocka_unit_test(neighbours_are_the_nearest_points),
        cmocka_unit_test(types_without_blocks_have_no_codec),
        cmocka_unit_test(f32_is_copied),
        cmocka_unit_test(grids_are_built_when_needed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
