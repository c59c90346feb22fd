#include "codec/ggml_embed.h"

#include "codec/ggml_codec.h"
#include "codec/half.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COLUMNS 512

static uint64_t state_of_rng = 20261128;
static uint32_t rng(uint32_t below)
{
    state_of_rng = state_of_rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state_of_rng >> 33) % below;
}

/* Any finite F16: subnormal ones, negative ones and zero among them. */
static float any_scale(void)
{
    uint16_t bits;
    do
        bits = (uint16_t)rng(0x10000);
    while ((bits & 0x7c00) == 0x7c00 || half_from_f16(bits) > 2000.0f || half_from_f16(bits) < -2000.0f); /* minima must not overflow */
    return half_from_f16(bits);
}

struct row {
    uint8_t codes[COLUMNS];
    float scale[COLUMNS], beta[COLUMNS];
    int32_t zero[COLUMNS];
    uint32_t group_of[COLUMNS]; /* whole runs of facts.group columns, in any order */
    struct ggml_embed_facts facts;
};

/* Codes of `bits` with zeros in zero_low..zero_high, and what a survey says of them. */
static void make(struct row *row, unsigned bits, uint64_t group, int32_t zero_low, int32_t zero_high)
{
    row->facts = (struct ggml_embed_facts){.bits = bits, .columns = COLUMNS, .group = group, .low = INT64_MAX, .high = INT64_MIN, .zero_low = INT64_MAX,
                                           .zero_high = INT64_MIN};
    const uint64_t runs = (COLUMNS + group - 1) / group, turn = rng((uint32_t)runs);
    for (uint64_t g = 0; g * group < COLUMNS; g++) {
        struct ggml_embed_minimum found;
        row->scale[g] = rng(20) == 0 ? 0.0f : any_scale();
        row->zero[g] = row->scale[g] == 0.0f ? 1 << (bits - 1) : zero_low + (int32_t)rng((uint32_t)(zero_high - zero_low + 1));
        row->beta[g] = half_from_f16(half_to_f16(any_scale()));
        const uint64_t first = (g + turn) % runs * group;
        for (uint64_t k = first; k < first + group && k < COLUMNS; k++) {
            row->group_of[k] = (uint32_t)g;
            row->codes[k] = (uint8_t)rng(1u << bits);
            const int64_t difference = row->codes[k] - row->zero[g];
            row->facts.low = row->scale[g] != 0.0f && difference < row->facts.low ? difference : row->facts.low;
            row->facts.high = row->scale[g] != 0.0f && difference > row->facts.high ? difference : row->facts.high;
        }
        if (row->scale[g] == 0.0f)
            continue;
        row->facts.zero_low = row->zero[g] < row->facts.zero_low ? row->zero[g] : row->facts.zero_low;
        row->facts.zero_high = row->zero[g] > row->facts.zero_high ? row->zero[g] : row->facts.zero_high;
        row->facts.loose[0] = row->facts.loose[0] || !ggml_embed_minimum(row->scale[g], row->zero[g], 15, &found);
        row->facts.loose[1] = row->facts.loose[1] || !ggml_embed_minimum(row->scale[g], row->zero[g], 31, &found);
    }
}

/* ggml's own reading of the blocks gives every value. */
static void holds_every_value(const struct row *row, enum ggml_type type)
{
    uint8_t blocks[COLUMNS / 32 * 36];
    float values[COLUMNS];
    const struct ggml_embed_row given = {row->codes, row->scale, row->zero, row->facts.betas ? row->beta : NULL, row->group_of, COLUMNS};
    assert_true(ggml_embed_holds(type, &row->facts));
    ggml_embed_row(type, &given, blocks);
    ggml_codec_dequantize(type, blocks, COLUMNS, values);
    for (uint64_t k = 0; k < COLUMNS; k++) {
        const uint32_t g = row->group_of[k];
        const float expected = row->facts.betas ? (float)row->codes[k] * row->scale[g] + row->beta[g] : (float)(row->codes[k] - row->zero[g]) * row->scale[g];
        if (values[k] != expected)
            fail_msg("%s: code %u, zero %d, scale %a: found %a, expected %a", ggml_name(type), row->codes[k], (int)row->zero[g], (double)row->scale[g],
                     (double)values[k], (double)expected);
    }
}

static void what_a_type_holds_it_holds_exactly(void **state)
{
    (void)state;
    size_t held[GGML_COUNT] = {0};
    struct row row;
    for (int round = 0; round < 4000; round++) {
        static const uint64_t groups[] = {32, 64, 128, 256, 512, COLUMNS};
        const unsigned bits = 2 + rng(7);
        const int32_t middle = 1 << (bits - 1), top = (1 << bits) - 1;
        const int kind = (int)rng(4);
        make(&row, bits, groups[rng(6)], kind == 0 ? middle : kind == 1 ? 0 : kind == 2 ? middle - 1 : -3, kind == 0 ? middle : kind == 1 ? top + 1 : middle);
        for (int type = 0; type < GGML_COUNT; type++) {
            if (!ggml_embed_holds((enum ggml_type)type, &row.facts))
                continue;
            holds_every_value(&row, (enum ggml_type)type);
            held[type]++;
        }
    }
    static const enum ggml_type all[] = {GGML_Q2_K, GGML_Q3_K, GGML_Q4_0, GGML_Q4_K, GGML_Q4_1, GGML_Q5_0, GGML_Q5_K, GGML_Q6_K, GGML_Q8_0};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_true(held[all[i]] > 10);
}

static void betas_of_floats(void **state)
{
    (void)state;
    struct row row;
    for (int round = 0; round < 200; round++) {
        make(&row, 4 + rng(2), 32, 0, 3);
        row.facts.betas = true;
        row.facts.loose[0] = row.facts.loose[1] = false;
        assert_int_equal(ggml_embed_choose(&row.facts), row.facts.bits == 4 ? GGML_Q4_1 : GGML_Q5_1);
        holds_every_value(&row, GGML_Q5_1);
        row.facts.loose[0] = row.facts.loose[1] = true;
        assert_int_equal(ggml_embed_choose(&row.facts), GGML_COUNT);
    }
}

static void the_first_type_by_bits(void **state)
{
    (void)state;
    static const struct {
        unsigned bits;
        uint64_t group;
        int64_t zero_low, zero_high;
        bool loose4;
        enum ggml_type type;
    } rows[] = {
        {4, 128, 8, 8, true, GGML_Q4_0},   {4, 128, 7, 8, false, GGML_Q4_1}, {4, 128, 0, 16, true, GGML_Q5_0},  {4, 512, 0, 15, true, GGML_Q4_K},
        {4, 512, 8, 8, true, GGML_Q4_0},   {2, 64, 0, 4, true, GGML_Q4_0},   {2, 256, 0, 3, true, GGML_Q2_K},   {3, 512, 4, 4, true, GGML_Q3_K},
        {3, 64, 0, 7, true, GGML_Q4_0},    {5, 32, 16, 16, true, GGML_Q5_0}, {5, 512, 3, 30, true, GGML_Q5_K},  {6, 512, 32, 32, true, GGML_Q6_K},
        {8, 64, 128, 128, true, GGML_Q8_0}, {8, 64, 127, 128, true, GGML_COUNT}, {4, 16, 8, 8, false, GGML_COUNT}, {7, 512, 0, 127, true, GGML_Q8_0},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        const int64_t top = (1 << rows[r].bits) - 1;
        const struct ggml_embed_facts facts = {.bits = rows[r].bits, .columns = 512, .group = rows[r].group, .low = -rows[r].zero_high,
                                               .high = top - rows[r].zero_low, .zero_low = rows[r].zero_low, .zero_high = rows[r].zero_high,
                                               .loose = {rows[r].loose4, true}};
        assert_int_equal(ggml_embed_choose(&facts), rows[r].type);
    }
}

/* Always exact one way round: 0 1 2 4 7 8 11 13 14 15 16 of 4 bits (exact-paths.md section 5). */
static void minima_that_are_always_exact(void **state)
{
    (void)state;
    struct ggml_embed_minimum found;
    bool exact[17];
    for (int zero = 0; zero <= 16; zero++) {
        exact[zero] = true;
        for (unsigned bits = 0x0400; bits < 0x6000; bits++) {
            const float scale = half_from_f16((uint16_t)bits);
            if (!ggml_embed_minimum(scale, zero, 15, &found)) {
                exact[zero] = false;
                break;
            }
            assert_true(found.minimum == (found.turned ? (float)(15 - zero) * scale : -(float)zero * scale));
        }
    }
    for (int zero = 0; zero <= 16; zero++)
        assert_int_equal(exact[zero], zero != 3 && zero != 5 && zero != 6 && zero != 9 && zero != 10 && zero != 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_type_holds_it_holds_exactly),
        cmocka_unit_test(betas_of_floats),
        cmocka_unit_test(the_first_type_by_bits),
        cmocka_unit_test(minima_that_are_always_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
