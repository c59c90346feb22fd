#include "codec/ggml_swap.h"
#include "container/ggufile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 3, BYTES_MAX = 292 * BLOCKS };

static void swapping_twice_is_nothing(void **state)
{
    (void)state;
    for (int t = 0; t < GGML_COUNT; t++) {
        uint8_t data[BYTES_MAX], before[BYTES_MAX];
        const size_t bytes = (size_t)ggml_block_bytes((enum ggml_type)t) * BLOCKS;
        for (size_t i = 0; i < bytes; i++)
            before[i] = data[i] = (uint8_t)(i * 37 + i / 256);
        assert_int_equal(ggml_swap((enum ggml_type)t, data, bytes), bytes > 0);
        const bool bytewise = t == GGML_I8 || t == GGML_MXFP4 || t == GGML_NVFP4;
        assert_int_equal(memcmp(data, before, bytes) == 0, bytes == 0 || bytewise);
        (void)ggml_swap((enum ggml_type)t, data, bytes);
        assert_memory_equal(data, before, bytes);
    }
}

/* The bytes of the second of two blocks, numbered from 0, after the swap: which moved where. */
static void words_are_where_ggml_has_them(void **state)
{
    (void)state;
    static const struct {
        enum ggml_type type;
        struct {
            unsigned at, width, count, stride;
        } word[3];
    } rows[] = {
        {GGML_F32, {{0, 4, 1, 0}}},
        {GGML_I64, {{0, 8, 1, 0}}},
        {GGML_Q4_0, {{0, 2, 1, 0}}},
        {GGML_Q5_0, {{0, 2, 1, 0}, {2, 4, 1, 0}}},
        {GGML_Q5_1, {{0, 2, 1, 0}, {2, 2, 1, 0}, {4, 4, 1, 0}}},
        {GGML_Q2_K, {{16 + 64, 2, 2, 2}}},
        {GGML_Q3_K, {{32 + 64 + 12, 2, 1, 0}}},
        {GGML_Q6_K, {{128 + 64 + 16, 2, 1, 0}}},
        {GGML_IQ2_XXS, {{0, 2, 1, 0}, {2 + 4, 4, 8, 8}}},
        {GGML_IQ3_XXS, {{0, 2, 1, 0}, {2 + 64, 4, 8, 4}}},
        {GGML_IQ1_M, {{32 + 16, 2, 4, 2}}},
        {GGML_Q8_K, {{0, 4, 1, 0}, {4 + 256, 2, 16, 2}}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        const size_t block = ggml_block_bytes(rows[r].type);
        uint16_t from[BYTES_MAX];
        uint8_t data[BYTES_MAX];
        for (size_t i = 0; i < block; i++)
            from[i] = (uint16_t)i;
        for (unsigned w = 0; w < 3; w++)
            for (unsigned i = 0; i < rows[r].word[w].count; i++)
                for (unsigned b = 0; b < rows[r].word[w].width; b++)
                    from[rows[r].word[w].at + i * rows[r].word[w].stride + b] =
                        (uint16_t)(rows[r].word[w].at + i * rows[r].word[w].stride + rows[r].word[w].width - 1 - b);
        for (size_t i = 0; i < 2 * block; i++)
            data[i] = (uint8_t)(i % block % 251);
        assert_true(ggml_swap(rows[r].type, data, 2 * block));
        for (size_t i = 0; i < block; i++)
            assert_int_equal(data[block + i], from[i] % 251);
    }
}

/* --- files that gguf_convert_endian.py of llama.cpp made, where they are ------------------------------------------------ */

static bool read_tensor(const struct file *file, const struct ggufile_tensor *tensor, uint8_t **data)
{
    struct err err = {0};
    *data = malloc((size_t)tensor->bytes + 1);
    assert_non_null(*data);
    return file_read(file, *data, (size_t)tensor->bytes, tensor->offset, &err) == STATUS_OK;
}

static void compare_files(const char *little, const char *big)
{
    struct file file[2];
    struct ggufile gguf[2];
    struct err err = {0};
    if (file_open_read(&file[0], &file_posix, little, &err) != STATUS_OK)
        return;
    assert_int_equal(file_open_read(&file[1], &file_posix, big, &err), STATUS_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ggufile_read(&file[i], false, &gguf[i], &err), STATUS_OK);
    assert_true(gguf[1].big_endian && gguf[0].tensor_count == gguf[1].tensor_count);
    for (size_t t = 0; t < gguf[0].tensor_count; t++) {
        uint8_t *data[2];
        assert_true(gguf[0].tensor[t].bytes == gguf[1].tensor[t].bytes && gguf[0].tensor[t].type == gguf[1].tensor[t].type);
        for (int i = 0; i < 2; i++)
            assert_true(read_tensor(&file[i], &gguf[i].tensor[t], &data[i]));
        assert_true(ggml_swap(gguf[1].tensor[t].type, data[1], (size_t)gguf[1].tensor[t].bytes));
        assert_memory_equal(data[0], data[1], (size_t)gguf[0].tensor[t].bytes);
        free(data[0]);
        free(data[1]);
    }
    for (int i = 0; i < 2; i++) {
        ggufile_free(&gguf[i]);
        file_drop(&file[i]);
    }
}

static void llama_cpp_turns_alike(void **state)
{
    (void)state;
    static const char *const types[] = {"Q8_0", "Q4_K_M", "Q6_K"};
    const char *golden = getenv("REPAQ_GOLDEN");
    if (golden == NULL)
        skip();
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char little[600], big[600];
        (void)snprintf(little, sizeof little, "%s/gguf/qwen2-tiny-%s.gguf", golden, types[i]);
        (void)snprintf(big, sizeof big, "%s/gguf/big-endian/qwen2-tiny-%s.be.gguf", golden, types[i]);
        compare_files(little, big);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swapping_twice_is_nothing),
        cmocka_unit_test(words_are_where_ggml_has_them),
        cmocka_unit_test(llama_cpp_turns_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
