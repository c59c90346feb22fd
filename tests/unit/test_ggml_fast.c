/* Faster kernels of ggml's types, each set that this processor can run, against plain code: the same bytes and values, of rows of many kinds. */
#include "codec/ggml_codec.h"
#include "codec/ggml_fast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "numbers.h"

#define COLUMNS_MAX 1024
#define ROW_BYTES_MAX (4 * COLUMNS_MAX)
#define GUARD 64 /* bytes after the end that must stay as they are */

#define KINDS 13u
/* Rows of many kinds: ranges, ties, equal sizes of both signs, zeros of both signs, subnormals, infinities, one outlier. */
static float adversary(struct rng *rng, unsigned kind, unsigned i)
{
    static const float few[] = {0.0f, -0.0f, 1.5f, -1.5f, 0x1p-149f, -0x1p-149f, 0x1p-126f, 0x1.fffffep127f, -0x1.fffffep127f, INFINITY, -INFINITY, 1e-15f};
    const float unit = (float)((int32_t)rng_next(rng)) * 0x1p-31f;
    switch (kind) {
    case 0:
        return unit * 0.05f;
    case 1:
        return unit * float_of((uint32_t)(127 - 40 + rng_below(rng, 80)) << 23);
    case 2:
        return (float)((int)rng_below(rng, 17) - 8) * 0.5f;
    case 3:
        return few[rng_below(rng, 4)];
    case 4:
        return unit * 0x1p-127f;
    case 5:
        return few[rng_below(rng, sizeof few / sizeof few[0])];
    case 6:
        return rng_one_in(rng, 40) ? unit * 1000 : unit * 0.01f;
    case 7:
        return few[i / 32 % 2];
    case 8:
        return unit * 0x1p127f;
    case 9:
        return 0.7f + unit * 0.001f;
    case 10:
        return unit * unit * unit * 0x1p-14f * (float)(1 + i / 16 % 5);
    case 11: /* half-way between values of IQ4, and next to it */
        return i % 32 == 5 ? 127 : float_of(bits_of((float)(1 + rng_below(rng, 250)) * (rng_one_in(rng, 2) ? 0.5f : -0.5f)) + rng_below(rng, 3) - 1);
    default:
        return 0.37f;
    }
}

static struct arena arena;
static struct ggml_grids grids;

static int setup(void **state)
{
    (void)state;
    struct err err;
    for (int t = 0; t < GGML_COUNT; t++)
        assert_int_equal(ggml_grid_build(&arena, (enum ggml_type)t, &grids, &err), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static float values[COLUMNS_MAX], weights[COLUMNS_MAX];

/* A row of whole blocks; returns its elements. */
static uint64_t make_row(struct rng *rng, enum ggml_type type, unsigned round)
{
    const uint32_t block = ggml_block_elements(type);
    const uint64_t elements = block * (uint64_t)(1 + rng_below(rng, block == 32 ? 32 : COLUMNS_MAX / block));
    const unsigned mixed = round / KINDS % 3 == 2 ? rng_below(rng, KINDS) : round % KINDS;
    for (unsigned i = 0; i < elements; i++) {
        values[i] = adversary(rng, rng_one_in(rng, 3) ? round % KINDS : mixed, i);
        weights[i] = round % 4 == 0 && i % 7 == 0 ? 0 : (float)(1 + rng_below(rng, 1000)) * 0.001f;
    }
    return elements;
}

static void check_quantized(const struct ggml_fast *fast, enum ggml_type type, uint64_t elements, bool weighted, unsigned round)
{
    static uint8_t one[ROW_BYTES_MAX + GUARD], other[ROW_BYTES_MAX + GUARD];
    const struct ggml_codec_row row = {values, weighted ? weights : NULL, elements};
    memset(one, 0x5a, sizeof one);
    memset(other, 0x5a, sizeof other);
    const bool done = ggml_codec_quantize_with(fast, type, &row, &grids, one);
    assert_int_equal(ggml_codec_quantize_with(NULL, type, &row, &grids, other), done);
    if (done && memcmp(one, other, sizeof one) != 0)
        fail_msg("%s, %s, weights %d, round %u: fast and plain code differ", fast->name, ggml_name(type), weighted, round);
}

static void every_set_makes_the_bytes_of_plain_code(void **state)
{
    (void)state;
    struct rng rng = {20261128};
    const struct ggml_fast *fast;
    for (size_t s = 0; (fast = ggml_fast_set(s)) != NULL; s++)
        for (int t = 0; t < GGML_COUNT; t++)
            for (unsigned round = 0; fast->encode[t] != NULL && round < 60 * KINDS; round++) {
                const enum ggml_type type = (enum ggml_type)t;
                const uint64_t elements = make_row(&rng, type, round);
                for (int weighted = ggml_codec_needs_weights(type); weighted < 2; weighted++)
                    check_quantized(fast, type, elements, weighted != 0, round);
            }
}

/* Any bits: blocks are random, or zeros and ones, and every other time their scales are made numbers. NaN need only be NaN. */
static void every_set_gives_the_values_of_plain_code(void **state)
{
    (void)state;
    static uint8_t blocks[ROW_BYTES_MAX];
    static float one[COLUMNS_MAX + GUARD], other[COLUMNS_MAX + GUARD];
    struct rng rng = {7};
    const struct ggml_fast *fast;
    for (size_t s = 0; (fast = ggml_fast_set(s)) != NULL; s++)
        for (int t = 0; t < GGML_COUNT; t++)
            for (unsigned round = 0; fast->decode[t] != NULL && round < 400; round++) {
                const enum ggml_type type = (enum ggml_type)t;
                const uint64_t elements = make_row(&rng, type, round);
                if (round % 2 == 0) {
                    const struct ggml_codec_row row = {values, weights, elements};
                    ggml_codec_quantize(type, &row, &grids, blocks);
                } else {
                    for (size_t i = 0; i < sizeof blocks; i++)
                        blocks[i] = (uint8_t)(round % 8 == 1 ? 255 * rng_below(&rng, 2) : rng_next(&rng));
                }
                for (size_t i = 0; i < COLUMNS_MAX + GUARD; i++)
                    one[i] = other[i] = 3;
                ggml_codec_dequantize_with(fast, type, blocks, elements, one);
                ggml_codec_dequantize_with(NULL, type, blocks, elements, other);
                for (size_t i = 0; i < COLUMNS_MAX + GUARD; i++)
                    if (bits_of(one[i]) != bits_of(other[i]) && !(isnan(one[i]) && isnan(other[i])))
                        fail_msg("%s, %s, round %u, element %zu: fast and plain code differ", fast->name, ggml_name(type), round, i);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_makes_the_bytes_of_plain_code),
        cmocka_unit_test(every_set_gives_the_values_of_plain_code),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
