/* config.json of a GGUF file: what the metadata do not say in as many words. */
#include "container/ggufile_write.h"
#include "formats/ggufconfig.h"
#include "shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FILE_NAME "config.gguf"

/* A family's sizes, and one tensor beside the embedding. */
struct given {
    const char *arch;
    uint32_t layers, embedding, heads, head, rotating, rows; /* 0: no such key; rows: of the embedding */
    const char *tensor;
    uint32_t experts;
    bool no_window;
};

static void set_u32(struct ggufile_writer *writer, const char *arch, const char *key, uint32_t value)
{
    char full[128];
    (void)snprintf(full, sizeof full, "%s.%s", arch, key);
    if (value > 0)
        ggufile_write_u32(writer, full, value);
}

/* The text of config.json. */
static void make(const struct given *given, struct text *text)
{
    struct ggufile_writer writer = {0};
    struct ggufile_entry entries[] = {{.name = "token_embd.weight", .rank = 2, .type = GGML_F32, .dims = {given->embedding, given->rows}},
                                      {.name = given->tensor, .rank = 1, .type = GGML_F32, .dims = {8}}};
    struct text head = {0};
    struct ggufile_set set;
    struct err err = {0};
    uint64_t bytes;
    ggufile_write_string(&writer, "general.architecture", slice_of(given->arch));
    set_u32(&writer, given->arch, "block_count", given->layers);
    set_u32(&writer, given->arch, "embedding_length", given->embedding);
    set_u32(&writer, given->arch, "attention.head_count", given->heads);
    set_u32(&writer, given->arch, "attention.key_length", given->head);
    set_u32(&writer, given->arch, "rope.dimension_count", given->rotating);
    set_u32(&writer, given->arch, "expert_count", given->experts);
    set_u32(&writer, given->arch, "vocab_size", 7);
    if (given->no_window)
        ggufile_write_u32(&writer, "phi3.attention.sliding_window", 0);
    assert_int_equal(ggufile_write_layout(&writer, entries, given->tensor == NULL ? 1 : 2, &head, &bytes, &err), STATUS_OK);
    ggufile_write_free(&writer);
    while (head.size < bytes)
        text_add(&head, "", 1);
    spill(".", FILE_NAME, head.data, head.size);
    text_free(&head);
    assert_int_equal(ggufile_split_read(FILE_NAME, &file_posix, false, &set, &err), STATUS_OK);
    assert_int_equal(ggufconfig_make(&set, &file_posix, arch_of_gguf(slice_of(given->arch)), text, &err), STATUS_OK);
    ggufile_split_free(&set);
}

static void says(const struct given *given, const char *wanted, bool there)
{
    struct text text = {0};
    make(given, &text);
    if ((strstr(text.data, wanted) != NULL) != there)
        fail_msg("%s: found %s, expected %s%s", given->arch, text.data, there ? "" : "no ", wanted);
    text_free(&text);
}

/* Phi-4-mini turns 96 of 128 rows of a head. */
static void a_part_of_a_head_rotates(void **state)
{
    (void)state;
    const struct {
        uint32_t embedding, heads, rotating;
        const char *wanted;
    } rows[] = {{3072, 24, 96, "\"partial_rotary_factor\": 0.75"}, {3072, 32, 32, "\"partial_rotary_factor\": 0.333"}, {64, 4, 8, "\"partial_rotary_factor\": 0.5"}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        says(&(struct given){"phi3", 1, rows[r].embedding, rows[r].heads, 0, rows[r].rotating, 8, NULL, 0, false}, rows[r].wanted, true);
    says(&(struct given){"phi3", 1, 3072, 32, 0, 96, 8, NULL, 0, false}, "partial_rotary_factor", false);
}

/* llama.cpp divides by the root of head_dim, but in the sizes of 27 billion. */
static void the_scale_of_attention(void **state)
{
    (void)state;
    says(&(struct given){"gemma2", 26, 2304, 8, 256, 0, 8, NULL, 0, false}, "\"query_pre_attn_scalar\": 256", true);
    says(&(struct given){"gemma2", 46, 4608, 32, 128, 0, 8, NULL, 0, false}, "\"query_pre_attn_scalar\": 144", true);
    says(&(struct given){"gemma3", 62, 5376, 32, 128, 0, 8, NULL, 0, false}, "\"query_pre_attn_scalar\": 168", true);
    says(&(struct given){"gemma3", 46, 5376, 32, 128, 0, 8, NULL, 0, false}, "\"query_pre_attn_scalar\": 128", true);
    says(&(struct given){"gemma", 18, 2048, 8, 256, 0, 8, NULL, 0, false}, "query_pre_attn_scalar", false);
}

static void biases(void **state)
{
    (void)state;
    says(&(struct given){"llama", 1, 64, 4, 16, 16, 8, "blk.0.attn_q.bias", 0, false}, "\"attention_bias\": true", true);
    says(&(struct given){"llama", 1, 64, 4, 16, 16, 8, "blk.0.ffn_gate.bias", 0, false}, "\"mlp_bias\": true", true);
    says(&(struct given){"llama", 1, 64, 4, 16, 16, 8, NULL, 0, false}, "_bias", false);
    says(&(struct given){"qwen3", 1, 64, 4, 16, 16, 8, "blk.0.attn_q.bias", 0, false}, "\"attention_bias\": true", true);
    says(&(struct given){"qwen2", 1, 64, 4, 16, 16, 8, "blk.0.attn_q.bias", 0, false}, "attention_bias", false);
}

/* The embedding is what a model must take, whatever the metadata say, and where there is no tokenizer as well. */
static void the_size_of_the_vocabulary(void **state)
{
    (void)state;
    says(&(struct given){"llama", 1, 64, 4, 16, 16, 40, NULL, 0, false}, "\"vocab_size\": 40", true);
    says(&(struct given){"qwen2", 1, 64, 4, 16, 16, 41, NULL, 0, false}, "\"vocab_size\": 41", true);
}

/* A family's own word for a key that others have as well. */
static void words_of_the_family(void **state)
{
    (void)state;
    says(&(struct given){"qwen2moe", 1, 64, 4, 16, 0, 8, NULL, 5, false}, "\"num_experts\": 5", true);
    says(&(struct given){"qwen2moe", 1, 64, 4, 16, 0, 8, NULL, 5, false}, "num_local_experts", false);
    says(&(struct given){"qwen3moe", 1, 64, 4, 16, 0, 8, NULL, 5, false}, "\"num_experts\": 5", true);
    says(&(struct given){"llama", 1, 64, 4, 16, 16, 8, NULL, 5, false}, "\"num_local_experts\": 5", true);
    says(&(struct given){"llama", 1, 64, 4, 16, 16, 8, NULL, 0, false}, "\"pad_token_id\": null", true);
    says(&(struct given){"phi3", 1, 64, 4, 0, 16, 8, NULL, 0, true}, "\"sliding_window\": null", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_a_head_rotates),
        cmocka_unit_test(the_scale_of_attention),
        cmocka_unit_test(biases),
        cmocka_unit_test(the_size_of_the_vocabulary),
        cmocka_unit_test(words_of_the_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
