/* check of GGUF files (E23): every rule has its finding on a file with one thing wrong, and none on a good one. */
#include "base/tree.h"
#include "check/check.h"
#include "gguf_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PLACE "gguf.tmp"
#define WARN SEVERITY_WARN
#define FAIL SEVERITY_FAIL
#define SILENT SEVERITY_SILENT

enum { EMBED = 32, HEADS = 2, WIDE = 64, TOKENS = 4 };

static const struct resources resources = {&file_posix, 2, UINT64_C(256) << 20, NULL};

/* A llama of one layer; zero means: nothing odd. */
struct odd {
    const char *arch, *type, *model, *pre; /* values; "" leaves the pair out */
    const char *skip, *twice;       /* a pair or tensor that is left out, that is there twice */
    const char *extra;              /* one more tensor of this name */
    const char *wrong;              /* a key of another type, or a tensor of another shape */
    const char *of_type;            /* this tensor has the type `of` */
    uint32_t of;
    uint32_t version;               /* 0: 3 */
    uint32_t alignment;             /* 0: no key */
    uint32_t experts, experts_used; /* keys */
    uint32_t layers;                /* block_count; 0: 1 */
    uint32_t bos;                   /* id */
    uint32_t rotary;                /* rope.dimension_count; 0: no key */
    uint32_t split_no, split_count, split_tensors; /* keys, where count > 0 */
    bool big, nested, gap, cut, nan, gpt2, small, twins; /* small: values of 16 bits; twins: tokens are all alike */
    bool first, second;             /* only the first two tensors, only the others */
};

/* --- writing a file --------------------------------------------------------------------------------------------------------- */

static bool is(const char *name, const char *other)
{
    return other != NULL && strcmp(name, other) == 0;
}

struct writing {
    const struct odd *odd;
    struct gguf_bytes bytes;
    uint64_t count, tensors, at;
};

/* Counts one more pair unless it is to be left out; pairs go to the bytes, which are put behind the start in the end. */
static bool wants(struct writing *w, const char *key)
{
    if (is(key, w->odd->skip))
        return false;
    w->count++;
    return true;
}

static void put_number(struct writing *w, const char *key, uint32_t kind, uint32_t word)
{
    for (int n = 0; n < (is(key, w->odd->twice) ? 2 : 1); n++)
        if (wants(w, key)) {
            put_key(&w->bytes, key, is(key, w->odd->wrong) ? GGUFILE_U64 : kind);
            put_word(&w->bytes, word, is(key, w->odd->wrong) ? 8 : ggufile_kind_bytes((enum ggufile_kind)kind));
        }
}

static void put_words(struct writing *w, const char *key, const char *value, const char *otherwise)
{
    const char *text = value == NULL ? otherwise : value;
    if (text == NULL || text[0] == '\0' || !wants(w, key))
        return;
    put_key(&w->bytes, key, GGUFILE_STRING);
    put_string(&w->bytes, text);
}

static void put_tokens(struct writing *w, const char *key, uint64_t count)
{
    if (!wants(w, key))
        return;
    put_key(&w->bytes, key, GGUFILE_ARRAY);
    put_array(&w->bytes, GGUFILE_STRING, count);
    for (uint64_t t = 0; t < count; t++) {
        char text[] = "a 0";
        text[2] = (char)('0' + (w->odd->twins ? 0 : t));
        put_string(&w->bytes, text);
    }
}

static void put_scores(struct writing *w, const char *key, uint32_t kind)
{
    const bool wrong = is(key, w->odd->wrong);
    if (!wants(w, key))
        return;
    put_key(&w->bytes, key, GGUFILE_ARRAY);
    put_array(&w->bytes, kind, wrong ? TOKENS - 1 : TOKENS);
    put_zeros(&w->bytes, 4 * (wrong ? TOKENS - 1 : TOKENS));
}

static void put_pairs(struct writing *w)
{
    const struct odd *odd = w->odd;
    put_words(w, "general.architecture", odd->arch, "llama");
    put_words(w, "general.type", odd->type, NULL);
    put_number(w, "llama.context_length", GGUFILE_U32, 128);
    put_number(w, "llama.embedding_length", GGUFILE_U32, EMBED);
    put_number(w, "llama.block_count", GGUFILE_U32, odd->layers == 0 ? 1 : odd->layers);
    put_number(w, "llama.feed_forward_length", GGUFILE_U32, WIDE);
    put_number(w, "llama.attention.head_count", GGUFILE_U32, HEADS);
    put_number(w, "llama.attention.head_count_kv", GGUFILE_U32, 1);
    put_number(w, "llama.attention.layer_norm_rms_epsilon", GGUFILE_F32, 0x3727C5AC);
    if (odd->experts > 0)
        put_number(w, "llama.expert_count", GGUFILE_U32, odd->experts);
    if (odd->experts_used > 0)
        put_number(w, "llama.expert_used_count", GGUFILE_U32, odd->experts_used);
    if (odd->rotary > 0)
        put_number(w, "llama.rope.dimension_count", GGUFILE_U32, odd->rotary);
    if (odd->alignment > 0)
        put_number(w, "general.alignment", GGUFILE_U32, odd->alignment);
    if (odd->small)
        put_number(w, "general.small", GGUFILE_U16, 1);
    put_words(w, "tokenizer.ggml.model", odd->model, odd->gpt2 ? "gpt2" : "llama");
    put_words(w, "tokenizer.ggml.pre", odd->pre, odd->gpt2 ? "qwen2" : "default");
    put_tokens(w, "tokenizer.ggml.tokens", TOKENS);
    put_scores(w, "tokenizer.ggml.scores", GGUFILE_F32);
    put_scores(w, "tokenizer.ggml.token_type", GGUFILE_I32);
    if (odd->gpt2)
        put_tokens(w, "tokenizer.ggml.merges", 1);
    put_number(w, "tokenizer.ggml.bos_token_id", GGUFILE_U32, odd->bos);
    if (odd->nested && wants(w, "nested")) {
        put_key(&w->bytes, "nested", GGUFILE_ARRAY);
        put_array(&w->bytes, GGUFILE_ARRAY, 1);
        put_array(&w->bytes, GGUFILE_U16, 0);
    }
}

static void put_split(struct writing *w)
{
    if (w->odd->split_count == 0)
        return;
    put_number(w, "split.no", GGUFILE_U16, w->odd->split_no);
    put_number(w, "split.count", GGUFILE_U16, w->odd->split_count);
    put_number(w, "split.tensors.count", GGUFILE_I32, w->odd->split_tensors);
}

static const struct {
    const char *name;
    uint64_t dims[2];
} tensors[] = {
    {"token_embd.weight", {EMBED, TOKENS}},     {"output_norm.weight", {EMBED, 1}},           {"blk.0.attn_norm.weight", {EMBED, 1}},
    {"blk.0.attn_q.weight", {EMBED, EMBED}},    {"blk.0.attn_k.weight", {EMBED, EMBED / 2}},  {"blk.0.attn_v.weight", {EMBED, EMBED / 2}},
    {"blk.0.attn_output.weight", {EMBED, EMBED}}, {"blk.0.ffn_norm.weight", {EMBED, 1}},      {"blk.0.ffn_gate.weight", {EMBED, WIDE}},
    {"blk.0.ffn_up.weight", {EMBED, WIDE}},     {"blk.0.ffn_down.weight", {WIDE, EMBED}},
};
enum { TENSORS = sizeof tensors / sizeof tensors[0] };

static void put_one(struct writing *w, const char *name, const uint64_t dims[2])
{
    const bool typed = is(name, w->odd->of_type), wrong = is(name, w->odd->wrong);
    const uint64_t shape[2] = {dims[0], wrong ? dims[1] + 1 : dims[1]};
    const uint32_t type = typed ? w->odd->of : dims[1] == 1 ? GGML_F32 : GGML_F16;
    const uint64_t align = w->odd->alignment == 0 ? 32 : w->odd->alignment;
    uint64_t row = 0;
    if (is(name, w->odd->skip))
        return;
    put_tensor(&w->bytes, name, shape[1] == 1 ? 1 : 2, shape, type, w->at);
    if (type < GGML_COUNT)
        (void)ggml_row_bytes((enum ggml_type)type, shape[0], &row);
    w->at = (w->at + row * shape[1] + align - 1) / align * align + (w->odd->gap && w->tensors == 3 ? 2 * align : 0);
    w->tensors++;
}

static void put_table(struct writing *w)
{
    static const uint64_t extra[2] = {EMBED, 1};
    for (size_t t = 0; t < TENSORS; t++)
        if (!(w->odd->first && t >= 2) && !(w->odd->second && t < 2))
            for (int n = 0; n < (is(tensors[t].name, w->odd->twice) ? 2 : 1); n++)
                put_one(w, tensors[t].name, tensors[t].dims);
    if (w->odd->extra != NULL)
        put_one(w, w->odd->extra, extra);
}

static void write_as(const struct odd *odd, const char *name)
{
    struct writing w = {.odd = odd, .bytes = {.big = odd->big, .narrow = odd->version == 1}};
    char path[200];
    put_start(&w.bytes, odd->version == 0 ? 3 : odd->version, 0, 0);
    const size_t start = w.bytes.text.size;
    if (odd->split_no == 0)
        put_pairs(&w);
    put_split(&w);
    put_table(&w);
    struct gguf_bytes head = {.big = odd->big};
    put_start(&head, odd->version == 0 ? 3 : odd->version, w.tensors, w.count);
    memcpy(w.bytes.text.data, head.text.data, start);
    text_free(&head.text);
    put_data(&w.bytes, odd->alignment == 0 ? 32 : odd->alignment, w.at);
    if (odd->nan) { /* 0x7F800001, in the other order a small number */
        w.bytes.text.size -= 4;
        put_word(&w.bytes, 0x7F800001, 4);
    }
    (void)mkdir(PLACE, 0777);
    (void)snprintf(path, sizeof path, "%s/%s", PLACE, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(w.bytes.text.data, 1, w.bytes.text.size - (odd->cut ? 64 : 0), file), w.bytes.text.size - (odd->cut ? 64 : 0));
    assert_int_equal(fclose(file), 0);
    text_free(&w.bytes.text);
}

static void clear(void)
{
    assert_int_equal(tree_remove(&file_posix, PLACE, NULL), STATUS_OK);
}

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

/* Runs the check on PLACE, and holds its findings against one that is wanted; word NULL: there is to be none but warnings about what lies beside. */
static void look(const char *engine, const char *rule, enum severity severity, const char *word)
{
    struct err err = {0};
    struct subject subject = {.engine = engines_find(engine)};
    bool found = word == NULL;
    if (check_run(&subject, &resources, PLACE, &err) != STATUS_OK)
        fail_msg("%s: %s: %s", engine, err.where, err.what);
    for (size_t f = 0; f < subject.findings.count; f++) {
        const struct remark *remark = &subject.findings.remark[f];
        const bool beside = strstr(remark->found, "beside the file") != NULL || remark->rule == 0;
        if (word == NULL && !beside)
            fail_msg("%s: %s: found %s, expected %s", engine, remark->where, remark->found, remark->expected);
        found = found || (strcmp(rules_at(remark->rule)->id, rule) == 0 && remark->severity == severity &&
                          (strstr(remark->found, word) != NULL || strstr(remark->where, word) != NULL));
    }
    for (size_t f = 0; f < subject.findings.count && !found; f++)
        (void)fprintf(stderr, "  %s: found %s\n", subject.findings.remark[f].where, subject.findings.remark[f].found);
    if (!found)
        fail_msg("%s: no %s of %s with \"%s\"", engine, findings_severity_name(severity), rule, word);
    subject_free(&subject);
}

static void expect(const struct odd *odd, const char *engine, enum severity severity, const char *word)
{
    clear();
    write_as(odd, "model.gguf");
    look(engine, "E23", severity, word);
}

static void expect_none(const struct odd *odd, const char *engine)
{
    clear();
    write_as(odd, "model.gguf");
    look(engine, NULL, SEVERITY_PASS, NULL);
}

/* --- tests ------------------------------------------------------------------------------------------------------------------ */

static void good_files(void **state)
{
    static const char *const engines[] = {"llama.cpp", "ollama", "vllm", "sglang", "transformers"};
    (void)state;
    for (size_t e = 0; e < sizeof engines / sizeof engines[0]; e++) {
        expect_none(&(struct odd){0}, engines[e]);
        expect_none(&(struct odd){.gpt2 = true, .version = 2}, engines[e]);
    }
    expect(&(struct odd){.extra = "rope_freqs.weight"}, "llama.cpp", FAIL, "rope_freqs.weight"); /* of another size */
    expect_none(&(struct odd){.extra = "blk.0.attn_output.bias"}, "llama.cpp");
    expect_none(&(struct odd){.type = "model", .arch = "falcon", .wrong = NULL}, "vllm");
    expect_none(&(struct odd){.nested = true}, "vllm");
    expect_none(&(struct odd){.gap = true}, "vllm");
    clear();
    write_as(&(struct odd){0}, "model.gguf");
    look("mlx", "E0", FAIL, "gguf");
    look("gptqmodel", "E0", FAIL, "gguf");
    look("vllm", "E23", WARN, "no tokenizer beside");
    look("transformers", "E0", WARN, "makes floats");
}

static void forms(void **state)
{
    (void)state;
    expect(&(struct odd){.version = 1}, "llama.cpp", FAIL, "version 1");
    expect(&(struct odd){.version = 1}, "ollama", FAIL, "version 1");
    expect(&(struct odd){.version = 4}, "llama.cpp", FAIL, "version 4");
    expect(&(struct odd){.big = true}, "llama.cpp", FAIL, "big endian");
    expect(&(struct odd){.big = true}, "ollama", FAIL, "big endian");
    expect(&(struct odd){.big = true}, "vllm", SILENT, "big endian");
    expect(&(struct odd){.nested = true}, "llama.cpp", FAIL, "array of arrays");
    expect(&(struct odd){.nested = true}, "ollama", FAIL, "array of arrays");
    expect(&(struct odd){.gap = true}, "llama.cpp", FAIL, "gaps");
    expect(&(struct odd){.gap = true}, "ollama", WARN, "gaps");
    expect(&(struct odd){.alignment = 64}, "llama.cpp", WARN, "general.alignment 64");
    expect(&(struct odd){.alignment = 64}, "ollama", WARN, "general.alignment 64");
}

static void headers(void **state)
{
    (void)state;
    expect(&(struct odd){.alignment = 24}, "llama.cpp", FAIL, "general.alignment 24");
    expect(&(struct odd){.alignment = 32, .wrong = "general.alignment"}, "llama.cpp", FAIL, "type u64");
    expect(&(struct odd){.twice = "llama.block_count"}, "llama.cpp", FAIL, "llama.block_count twice");
    expect(&(struct odd){.twice = "blk.0.attn_q.weight"}, "vllm", FAIL, "blk.0.attn_q.weight twice");
    expect(&(struct odd){.cut = true}, "ollama", FAIL, "truncated");
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = 31}, "llama.cpp", FAIL, "removed");
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = 137}, "llama.cpp", FAIL, "ik_llama.cpp");
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = 99999}, "llama.cpp", FAIL, "99999");
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = GGML_Q4_K}, "llama.cpp", FAIL, "rows of 32");
    expect(&(struct odd){.extra = "a.name.that.is.longer.than.the.sixty.three.bytes.which.llama.cpp.takes"}, "llama.cpp", FAIL, "name of");
}

static void types(void **state)
{
    (void)state;
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = GGML_MXFP4}, "llama.cpp", WARN, "MXFP4");
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = GGML_MXFP4}, "ollama", WARN, "MXFP4");
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = GGML_MXFP4}, "vllm", FAIL, "MXFP4");
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = GGML_Q8_1}, "llama.cpp", FAIL, "Q8_1");
    expect(&(struct odd){.of_type = "blk.0.attn_q.weight", .of = GGML_Q8_0}, "vllm", FAIL, "type F16");
    expect(&(struct odd){.small = true}, "ollama", WARN, "general.small");
    expect_none(&(struct odd){.small = true}, "llama.cpp");
    expect(&(struct odd){.nan = true, .of_type = "blk.0.ffn_down.weight", .of = GGML_F32}, "llama.cpp", SILENT, "blk.0.ffn_down.weight");
    expect(&(struct odd){.nan = true, .big = true, .of_type = "blk.0.ffn_down.weight", .of = GGML_F32}, "llama.cpp", SILENT, "blk.0.ffn_down.weight");
}

static void graphs(void **state)
{
    static const char *const keys[] = {"llama.context_length", "llama.embedding_length", "llama.block_count", "llama.feed_forward_length",
                                       "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon", "general.architecture"};
    (void)state;
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        expect(&(struct odd){.skip = keys[k]}, k % 2 == 0 ? "llama.cpp" : "ollama", FAIL, keys[k]);
    expect(&(struct odd){.wrong = "llama.block_count"}, "llama.cpp", FAIL, "u64");
    expect(&(struct odd){.layers = 600}, "llama.cpp", FAIL, "600 layers");
    expect(&(struct odd){.experts = 2}, "llama.cpp", FAIL, "0 of 2 experts");
    expect(&(struct odd){.experts = 600, .experts_used = 2}, "llama.cpp", FAIL, "600 experts");
    expect(&(struct odd){.experts = 2, .experts_used = 2}, "llama.cpp", FAIL, "blk.0.ffn_gate_inp.weight");
    expect(&(struct odd){.arch = "no-such"}, "llama.cpp", FAIL, "no-such");
    expect(&(struct odd){.arch = "no-such"}, "ollama", WARN, "no-such");
    expect(&(struct odd){.arch = "clip"}, "llama.cpp", FAIL, "clip");
    expect(&(struct odd){.type = "adapter"}, "vllm", FAIL, "adapter");
    expect(&(struct odd){.wrong = "llama.attention.head_count_kv"}, "llama.cpp", FAIL, "u64");
    expect(&(struct odd){.rotary = 8}, "llama.cpp", FAIL, "rope.dimension_count");
    expect(&(struct odd){.of_type = "output_norm.weight", .of = GGML_F16}, "llama.cpp", FAIL, "not F32");
    expect(&(struct odd){.of_type = "blk.0.attn_norm.weight", .of = GGML_F16}, "ollama", FAIL, "not F32");
    expect_none(&(struct odd){.extra = "blk.0.attn_q.bias"}, "llama.cpp");
    expect(&(struct odd){.extra = "rope_factors_long.weight"}, "llama.cpp", FAIL, "rope_factors_long.weight");
    for (size_t t = 0; t < TENSORS; t++) {
        expect(&(struct odd){.skip = tensors[t].name}, "llama.cpp", FAIL, tensors[t].name);
        expect(&(struct odd){.wrong = tensors[t].name}, "ollama", FAIL, tensors[t].name);
    }
    expect(&(struct odd){.layers = 2}, "llama.cpp", FAIL, "blk.1.attn_norm.weight and 8 more");
    expect(&(struct odd){.extra = "blk.0.attn_q_norm.weight"}, "llama.cpp", FAIL, "blk.0.attn_q_norm.weight");
    expect(&(struct odd){.extra = "blk.7.attn_q.bias"}, "ollama", WARN, "blk.7.attn_q.bias");
}

static void words(void **state)
{
    (void)state;
    expect(&(struct odd){.model = ""}, "llama.cpp", FAIL, "tokenizer.ggml.model");
    expect(&(struct odd){.model = "other"}, "ollama", FAIL, "other");
    expect(&(struct odd){.gpt2 = true, .pre = ""}, "llama.cpp", WARN, "default rules");
    expect(&(struct odd){.gpt2 = true, .pre = "no-such"}, "llama.cpp", FAIL, "no-such");
    expect(&(struct odd){.gpt2 = true, .skip = "tokenizer.ggml.merges"}, "llama.cpp", FAIL, "tokenizer.ggml.merges");
    expect_none(&(struct odd){.gpt2 = true, .pre = "kimi-k2", .skip = "tokenizer.ggml.merges"}, "llama.cpp");
    expect(&(struct odd){.skip = "tokenizer.ggml.tokens"}, "llama.cpp", FAIL, "tokenizer.ggml.tokens");
    expect(&(struct odd){.wrong = "tokenizer.ggml.scores"}, "llama.cpp", FAIL, "3 elements");
    expect(&(struct odd){.wrong = "tokenizer.ggml.token_type"}, "llama.cpp", FAIL, "3 elements");
    expect(&(struct odd){.bos = 4}, "llama.cpp", WARN, "id 4");
    expect(&(struct odd){.wrong = "tokenizer.ggml.bos_token_id"}, "llama.cpp", FAIL, "u64");
    expect(&(struct odd){.twins = true}, "llama.cpp", FAIL, "tokens 0 and 1 of one text");
}

static void set_of(struct odd *first, struct odd *second, bool both)
{
    clear();
    write_as(first, "m-00001-of-00002.gguf");
    if (both)
        write_as(second, "m-00002-of-00002.gguf");
}

static void sets(void **state)
{
    struct odd first = {.split_count = 2, .split_tensors = TENSORS, .first = true}, second = first;
    second.split_no = 1;
    second.second = true;
    second.first = false;
    (void)state;
    set_of(&first, &second, true);
    look("llama.cpp", NULL, SEVERITY_PASS, NULL);
    look("vllm", "E23", FAIL, "a set of 2 files");
    look("ollama", "E23", FAIL, "a set of 2 files");
    look("mlx", "E0", FAIL, "gguf");
    set_of(&first, &second, false);
    look("llama.cpp", "E23", FAIL, "R-INCOMPLETE");
    second.wrong = "split.no";
    set_of(&first, &second, true);
    look("llama.cpp", "E23", FAIL, "split.no: another type");
    second.wrong = NULL;
    second.split_tensors = 7;
    set_of(&first, &second, true);
    look("llama.cpp", "E23", FAIL, "split.tensors.count: 7");
    second.split_tensors = TENSORS + 1;
    first.split_tensors = TENSORS + 1;
    second.extra = "output_norm.weight";
    set_of(&first, &second, true);
    look("llama.cpp", "E23", FAIL, "two files of the set");
    clear();
    write_as(&first, "other.gguf"); /* a shard under no shard's name */
    look("llama.cpp", "E23", FAIL, "split.count: 2");
}

static void broken(void **state)
{
    struct err err = {0};
    struct subject subject = {.engine = engines_find("llama.cpp")};
    (void)state;
    clear();
    (void)mkdir(PLACE, 0777);
    FILE *file = fopen(PLACE "/model.gguf", "wb");
    assert_non_null(file);
    (void)fputs("GGUF\3", file);
    (void)fwrite("\0\0\0\7", 1, 4, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(check_run(&subject, &resources, PLACE "/model.gguf", &err), STATUS_CORRUPT);
    subject_free(&subject);
    clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files), cmocka_unit_test(forms), cmocka_unit_test(headers), cmocka_unit_test(types),
        cmocka_unit_test(graphs),     cmocka_unit_test(words), cmocka_unit_test(sets),    cmocka_unit_test(broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
