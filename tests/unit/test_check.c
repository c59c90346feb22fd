/* check: every rule has its finding on a checkpoint with one thing wrong, and none on a good one. */
#include "checked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define PLACE "check.tmp"
#define GPTQ_KEYS "\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 128, \"desc_act\": false, "
#define GPTQ "{" GPTQ_KEYS "\"sym\": true, \"checkpoint_format\": \"gptq\"}"
#define GPTQ_V2 "{" GPTQ_KEYS "\"sym\": true, \"checkpoint_format\": \"gptq_v2\"}"
#define AWQ "{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 128, \"zero_point\": true, \"version\": \"gemm\"}"
#define CT_GROUP(arguments) "\"g\": {\"targets\": [\"Linear\"], \"weights\": {" arguments "}}"
#define CT_ARGUMENTS "\"num_bits\": 4, \"type\": \"int\", \"symmetric\": true, \"strategy\": \"group\", \"group_size\": 128"
#define CT_TOP "\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", \"quantization_status\": \"compressed\", \"ignore\": [\"lm_head\"], "
#define CT "{" CT_TOP "\"version\": \"0.18.0\", \"config_groups\": {" CT_GROUP(CT_ARGUMENTS) "}}"

static const struct llama good_gptq = {.encoding = ENCODING_GPTQ, .quant = GPTQ};
static const struct llama good_awq = {.encoding = ENCODING_AWQ, .quant = AWQ};
static const struct llama good_ms = {.encoding = ENCODING_MS, .group = WIDTH};
static const struct llama good_hf = {.encoding = ENCODING_HF};

static const struct resources resources = {&file_posix, 2, UINT64_C(256) << 20, NULL};

static void run(struct subject *subject, const char *engine, const char *path)
{
    struct err err = {0};
    *subject = (struct subject){.engine = engines_find(engine)};
    assert_true(subject->engine < ENGINE_COUNT);
    if (check_run(subject, &resources, path, &err) != STATUS_OK)
        fail_msg("%s: %s: %s", engine, err.where, err.what);
}

/* A finding of the rule whose place or text holds `word`. */
static bool found(const struct subject *subject, const char *rule, enum severity severity, const char *word)
{
    for (size_t f = 0; f < subject->findings.count; f++) {
        const struct remark *remark = &subject->findings.remark[f];
        if (strcmp(rules_at(remark->rule)->id, rule) == 0 && remark->severity == severity &&
            (strstr(remark->found, word) != NULL || strstr(remark->where, word) != NULL))
            return true;
    }
    return false;
}

static void print(const struct subject *subject)
{
    for (size_t f = 0; f < subject->findings.count && f < 20; f++) {
        const struct remark *remark = &subject->findings.remark[f];
        (void)fprintf(stderr, "  %s %s %s: found %s, expected %s\n", findings_severity_name(remark->severity), rules_at(remark->rule)->id, remark->where,
                      remark->found,
                      remark->expected);
    }
}

/* What is in place has the finding, and its text holds `word`. */
static void expect_here(const char *engine, const char *rule, enum severity severity, const char *word)
{
    struct subject subject;
    run(&subject, engine, PLACE);
    if (!found(&subject, rule, severity, word)) {
        print(&subject);
        fail_msg("%s: no %s of %s with \"%s\"", engine, findings_severity_name(severity), rule, word);
    }
    assert_int_equal(findings_refuse(&subject.findings), subject.findings.count_of[SEVERITY_FAIL] + subject.findings.count_of[SEVERITY_SILENT] > 0);
    subject_free(&subject);
}

static void expect(const struct llama *llama, const char *engine, const char *rule, enum severity severity, const char *word)
{
    llama_write(llama, PLACE);
    expect_here(engine, rule, severity, word);
}

/* No finding of the rule; with rule NULL, none at all. */
static void expect_none_here(const char *engine, const char *rule)
{
    struct subject subject;
    run(&subject, engine, PLACE);
    for (size_t f = 0; f < subject.findings.count; f++)
        if (rule == NULL || strcmp(rules_at(subject.findings.remark[f].rule)->id, rule) == 0) {
            print(&subject);
            fail_msg("%s: a finding of %s", engine, rules_at(subject.findings.remark[f].rule)->id);
        }
    subject_free(&subject);
}

static void expect_none(const struct llama *llama, const char *engine, const char *rule)
{
    llama_write(llama, PLACE);
    expect_none_here(engine, rule);
}

#define WARN SEVERITY_WARN
#define FAIL SEVERITY_FAIL
#define SILENT SEVERITY_SILENT

/* --- good ones ---------------------------------------------------------------------------------------------------------------- */

static void good_ones(void **state)
{
    static const char *const gptq[] = {"vllm", "sglang", "transformers", "gptqmodel", "autogptq", "llama.cpp", "lmdeploy"};
    static const char *const awq[] = {"vllm", "sglang", "transformers", "autoawq", "gptqmodel", "lmdeploy"};
    static const char *const hf[] = {"vllm", "sglang", "transformers", "llama.cpp", "ollama", "vllm-ascend", "mindie", "mlx", "lmdeploy"};
    (void)state;
    for (size_t i = 0; i < sizeof gptq / sizeof gptq[0]; i++)
        expect_none(&good_gptq, gptq[i], NULL);
    for (size_t i = 0; i < sizeof awq / sizeof awq[0]; i++)
        expect_none(&good_awq, awq[i], NULL);
    for (size_t i = 0; i < sizeof hf / sizeof hf[0]; i++)
        expect_none(&good_hf, hf[i], NULL);
    expect_none(&good_ms, "vllm-ascend", NULL);
    expect_none(&good_ms, "mindie", NULL);
    expect_none(&(struct llama){.encoding = ENCODING_GPTQ_V2, .quant = GPTQ_V2}, "vllm", NULL);
    expect_none(&(struct llama){.encoding = ENCODING_CT, .quant = CT}, "vllm", "E20");
    expect_none_here("llama.cpp", "E20");
}

/* --- E0, E1, E2, E3 --------------------------------------------------------------------------------------------------------------- */

static void format_and_reading(void **state)
{
    (void)state;
    expect(&good_gptq, "autoawq", "E0", FAIL, "gptq");
    expect_none_here("autoawq", "E17"); /* rules on kernels that never see the weights do not run */
    expect_here("mlx", "E0", SILENT, "AWQ's order");
    expect(&good_awq, "mlx", "E0", WARN, "rounds");
    expect(&good_awq, "ollama", "E0", FAIL, "awq");
    expect(&(struct llama){.encoding = ENCODING_GPTQ}, "vllm", "E0", FAIL, "no quantization_config");
    llama_write(&good_gptq, PLACE);
    spill(PLACE, "config.json", "{", 1);
    expect_here("vllm", "E0", FAIL, "config.json");
    llama_write(&good_gptq, PLACE);
    spill(PLACE, "quantize_config.json", "[]", 2);
    expect_here("vllm", "E0", FAIL, "quantize_config.json");
    llama_write(&good_ms, PLACE);
    spill(PLACE, "quant_model_description.json", "{\"a\"", 4);
    expect_here("mindie", "E0", FAIL, "JSON");
}

static void errors(void **state)
{
    struct err err = {0};
    struct subject subject = {.engine = ENGINE_VLLM};
    (void)state;
    assert_int_equal(check_run(&subject, &resources, "absent", &err), STATUS_IO);
    subject_free(&subject);
    llama_write(&good_gptq, PLACE);
    spill(PLACE, "model.safetensors", "\x08\0\0\0\0\0\0\0{\"a\": 1,", 16);
    subject.engine = ENGINE_VLLM;
    assert_int_equal(check_run(&subject, &resources, PLACE, &err), STATUS_CORRUPT);
    subject_free(&subject);
    llama_write(&(struct llama){.encoding = ENCODING_HF, .quant = "{\"quant_method\": \"exl9\"}"}, PLACE);
    subject.engine = ENGINE_VLLM;
    assert_int_equal(check_run(&subject, &resources, PLACE, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.what, "exl9"));
    subject_free(&subject);
}

static void truncated(void **state)
{
    (void)state;
    llama_write(&good_gptq, PLACE);
    assert_int_equal(truncate(PLACE "/model.safetensors", 100000), 0);
    expect_here("vllm", "E1", FAIL, "truncated");
}

static void missing_tensors(void **state)
{
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .skip = "1.mlp.up_proj.qweight"}, "vllm", "E1", SILENT,
        "model.layers.1.mlp.up_proj.qweight");
    expect(&(struct llama){.encoding = ENCODING_HF, .skip = "1.mlp.up_proj.weight"}, "vllm", "E1", SILENT, "model.layers.1.mlp.up_proj");
    expect_here("llama.cpp", "E1", FAIL, "model.layers.1.mlp.up_proj");
    expect(&(struct llama){.encoding = ENCODING_HF, .skip = "mlp.up_proj.weight"}, "vllm", "E1", SILENT, "model.layers.*.mlp.up_proj");
    expect(&(struct llama){.encoding = ENCODING_HF, .skip = "embed_tokens.weight"}, "vllm", "E1", SILENT, "model.embed_tokens");
    expect(&(struct llama){.encoding = ENCODING_HF, .skip = "model.norm.weight"}, "vllm", "E1", SILENT, "model.norm");
    expect(&(struct llama){.encoding = ENCODING_HF, .skip = "lm_head.weight"}, "vllm", "E1", SILENT, "lm_head");
    expect_none(&(struct llama){.encoding = ENCODING_HF, .skip = "lm_head.weight", .config = ", \"tie_word_embeddings\": true"}, "vllm", NULL);
    expect(&(struct llama){.encoding = ENCODING_HF, .config = ", \"text_config\": {\"model_type\": \"llama\", \"num_hidden_layers\": 3}"}, "vllm", "E1", SILENT,
           "model.layers.2");
    expect_none(&(struct llama){.encoding = ENCODING_HF, .skip = "1.mlp.up_proj.weight", .model_type = "unknown"}, "vllm", "E1");
    expect(&(struct llama){.encoding = ENCODING_HF, .config = ", \"tie_word_embeddings\": true"}, "vllm", "E1", WARN, "lm_head");
    expect(&(struct llama){.encoding = ENCODING_HF, .model_type = "mixtral", .config = ", \"num_local_experts\": 1"}, "vllm", "E1", SILENT,
           "block_sparse_moe.experts.0.w1");
    expect(&(struct llama){.encoding = ENCODING_AWQ, .quant = AWQ, .skip = "0.mlp.up_proj.qzeros"}, "vllm", "E1", SILENT, "model.layers.0.mlp.up_proj.qzeros");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .skip = "0.mlp.up_proj.weight"}, "mindie", "E1", SILENT, "0.mlp.up_proj.weight");
    expect(&(struct llama){.encoding = ENCODING_CT, .quant = CT, .skip = "0.mlp.up_proj.weight_scale"}, "vllm", "E1", SILENT, "0.mlp.up_proj.weight_scale");
}

static void shapes(void **state)
{
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_HF, .config = ", \"head_dim\": 64"}, "vllm", "E1", FAIL, "[256, 256]");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .config = ", \"head_dim\": 64"}, "vllm", "E1", FAIL, "self_attn");
}

static void indexes(void **state)
{
    static const char stale[] = "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"gone\": \"model.safetensors\", \"lost\": \"model-2.safetensors\"}}";
    static const char other[] = "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"gone\": \"model-2.safetensors\"}}";
    static const char outside[] = "{\"weight_map\": {\"gone\": \"../model.safetensors\"}}";
    (void)state;
    llama_write(&good_gptq, PLACE);
    spill(PLACE, "model.safetensors.index.json", stale, sizeof stale - 1);
    expect_here("vllm", "E2", SILENT, "in no shard");
    expect_here("vllm", "E2", SILENT, "model-2.safetensors");
    expect_here("vllm", "E2", WARN, "does not list");
    expect_here("transformers", "E2", SILENT, "in no shard");
    expect_here("gptqmodel", "E2", FAIL, "model-2.safetensors");
    expect_here("llama.cpp", "E2", FAIL, "does not list"); /* names must be equal */
    expect_here("llama.cpp", "E2", FAIL, "in no shard");
    spill(PLACE, "model.safetensors.index.json", other, sizeof other - 1);
    expect_here("vllm", "E2", SILENT, "does not list"); /* the shard is never opened */
    expect_here("lmdeploy", "E2", SILENT, "does not list");
    llama_write(&(struct llama){.encoding = ENCODING_HF}, PLACE);
    spill(PLACE, "model.safetensors.index.json", other, sizeof other - 1);
    expect_here("mlx", "E2", WARN, "does not list"); /* by the files' names */
    spill(PLACE, "model.safetensors.index.json", outside, sizeof outside - 1);
    expect_here("vllm", "E2", FAIL, "../model");
    spill(PLACE, "other.safetensors.index.json", stale, sizeof stale - 1);
    expect_here("vllm", "E2", FAIL, "2 files");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .file = "weights.safetensors"}, "gptqmodel", "E2", FAIL, "does not look for");
    expect_none_here("vllm", "E2");
    expect_none(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .file = "gptq_model-4bit-128g.safetensors"}, "gptqmodel", "E2");
}

static void metadata(void **state)
{
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .metadata = "mlx"}, "gptqmodel", "E3", FAIL, "mlx");
    expect_none_here("transformers", "E3");
    expect_none_here("vllm", "E3");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .metadata = ""}, "gptqmodel", "E3", WARN, "no __metadata__");
    expect_none_here("transformers", "E3");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .metadata = "np"}, "transformers", "E3", FAIL, "np");
    expect(&(struct llama){.encoding = ENCODING_HF, .extra = "model.wide", .wide = true}, "mlx", "E3", FAIL, "dtype");
    expect_none_here("vllm", NULL);
}

/* --- E4 to E9: configs ---------------------------------------------------------------------------------------------------------- */

static void side_files(void **state)
{
    static const char other[] = "{\"quant_method\": \"gptq\", \"bits\": 8, \"group_size\": 128}";
    (void)state;
    llama_write(&good_gptq, PLACE);
    spill(PLACE, "quantize_config.json", GPTQ, sizeof GPTQ - 1);
    expect_none_here("gptqmodel", NULL);
    spill(PLACE, "quantize_config.json", other, sizeof other - 1);
    expect_here("gptqmodel", "E4", SILENT, "bits 8");
    expect_here("vllm", "E4", FAIL, "bits 8");
    expect_none_here("vllm", "E0"); /* the reader's refusal is the same fault */
    llama_write(&good_hf, PLACE);
    spill(PLACE, "quant_config.json", "{\"w_bit\": 4}", 12);
    expect_here("vllm", "E4", FAIL, "quant_config.json");
}

static void config_keys(void **state)
{
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = "{\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 128, \"desc_act\": false}"}, "vllm",
           "E5", FAIL,
           "sym");
    expect_none_here("transformers", "E5");
    expect(&(struct llama){.encoding = ENCODING_AWQ, .quant = "{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 128}"}, "sglang", "E5", FAIL,
        "zero_point");
    expect_none(&(struct llama){.encoding = ENCODING_AWQ,
                                .quant = "{\"quant_method\": \"awq\", \"w_bit\": 4, \"q_group_size\": 128, \"zero_point\": true, \"version\": \"gemm\"}"},
                                "vllm", NULL);
    llama_write(&(struct llama){.encoding = ENCODING_GPTQ}, PLACE);
    spill(PLACE, "quantize_config.json", GPTQ, sizeof GPTQ - 1);
    expect_here("transformers", "E5", FAIL, "quantize_config.json");
    expect_none_here("vllm", NULL);
    expect_none_here("autogptq", NULL);
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .config = ", \"text_config\": {\"model_type\": \"llama\", \"quantization_config\": " GPTQ "}"}, "vllm",
           "E24",
           WARN, "text_config");
    expect_none_here("sglang", "E24");
}

static void asymmetric(void **state)
{
    const struct llama flagged = {.encoding = ENCODING_GPTQ, .quant = "{" GPTQ_KEYS "\"sym\": false}", .zeros = 0x65656565u};
    const struct llama false_flag = {.encoding = ENCODING_GPTQ, .quant = GPTQ, .zeros = 0x65656565u};
    (void)state;
    expect(&flagged, "vllm", "E6", FAIL, "sym: false");
    expect_none_here("sglang", "E6");
    expect_here("gptqmodel", "E9", FAIL, "v1");
    expect_here("transformers", "E9", FAIL, "v1");
    expect_none_here("autogptq", "E9");
    expect_none(&(struct llama){.encoding = ENCODING_GPTQ, .zeros = 0x65656565u,
                                .quant = "{" GPTQ_KEYS "\"sym\": false, \"meta\": {\"quantizer\": [\"gptqmodel:1.2.3\"]}}"}, "gptqmodel", NULL);
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .zeros = 0x65656565u,
           .quant = "{" GPTQ_KEYS "\"sym\": false, \"meta\": {\"quantizer\": \"gptqmodel:0.8.9\"}}"},
           "gptqmodel", "E9", FAIL, "v1");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .zeros = 0x65656565u, .quant = "{\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 128}"},
           "vllm", "E6", FAIL,
           "not 2^(bits-1)");
    expect(&false_flag, "vllm", "E7", SILENT, "zeros 6..7");
    expect_here("autogptq", "E7", FAIL, "sym: true");
    expect(&(struct llama){.encoding = ENCODING_AWQ, .zeros = 0x65656565u,
                           .quant = "{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 128, \"zero_point\": false, \"version\": \"gemm\"}"},
           "gptqmodel", "E7", SILENT, "zero_point: false");
}

static void labels(void **state)
{
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .zeros = 0x88888888u}, "vllm", "E8", SILENT, "2^(bits-1)+1");
    expect_none_here("vllm", "E7");
    expect(&(struct llama){.encoding = ENCODING_GPTQ_V2, .quant = GPTQ_V2, .zeros = 0x77777777u}, "gptqmodel", "E8", SILENT, "2^(bits-1)-1");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = "{" GPTQ_KEYS "\"sym\": false}", .zeros = 0xf7777777u}, "sglang", "E8", SILENT, "R-ZERO-V1");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = "{" GPTQ_KEYS "\"sym\": false}", .zeros = 0x7777777fu}, "autogptq", "E8", SILENT, "all ones");
}

/* --- E10 to E15 --------------------------------------------------------------------------------------------------------------------- */

#define DESC_ACT "{\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 128, \"desc_act\": true, \"sym\": true}"

static void orders(void **state)
{
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = DESC_ACT, .g_idx = G_IDX_NONE}, "vllm", "E10", SILENT, "no g_idx");
    expect_here("autogptq", "E10", WARN, "no g_idx");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .g_idx = G_IDX_NONE}, "llama.cpp", "E10", FAIL, "no g_idx");
    expect_none_here("vllm", NULL);
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .g_idx = G_IDX_ORDER}, "vllm", "E10", SILENT, "permutes");
    expect_none_here("autogptq", "E10");
    expect_none(&(struct llama){.encoding = ENCODING_GPTQ, .quant = DESC_ACT, .g_idx = G_IDX_ORDER}, "vllm", "E10");
    expect_here("lmdeploy", "E10", FAIL, "activation order");
    expect_here("vllm", "E17", WARN, "activation order");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = DESC_ACT, .g_idx = G_IDX_ZERO}, "vllm", "E10", SILENT, "zeros");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .g_idx = G_IDX_ZERO}, "vllm", "E10", WARN, "zeros");
}

static void gptq_configs(void **state)
{
    static const char dynamic[] = "{" GPTQ_KEYS "\"sym\": true, \"dynamic\": {\"-:^model\\\\.layers\\\\.0\\\\.mlp\\\\.down_proj$\": {}}}";
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = dynamic, .dense = "0.mlp.down_proj"}, "transformers", "E14", FAIL,
        "model.layers.0.mlp.down_proj");
    expect_here("autogptq", "E14", FAIL, "model.layers.0.mlp.down_proj");
    expect_none_here("llama.cpp", NULL); /* it takes what is quantized from the tensors */
    expect_none_here("gptqmodel", "E14");
    expect_none_here("vllm", NULL);
    expect_none(&(struct llama){.encoding = ENCODING_GPTQ, .dense = "mlp.down_proj",
                                .quant = "{" GPTQ_KEYS "\"sym\": true, \"dynamic\": {\"-:.*down_proj$\": {}}, \"modules_in_block_to_quantize\": "
                                         "[[\"self_attn.q_proj\", \"self_attn.k_proj\", \"self_attn.v_proj\", \"self_attn.o_proj\", \"mlp.gate_proj\", \"mlp.up_proj\"]]}"},
                "transformers", NULL);
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = "{" GPTQ_KEYS "\"sym\": true, \"dynamic\": {\"+:.*up_proj\": {\"bits\": 4}}}"}, "llama.cpp",
           "E11", FAIL,
           "+:.*up_proj");
    expect_here("transformers", "E11", FAIL, "+:.*up_proj");
    expect_none_here("gptqmodel", NULL);
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = "{" GPTQ_KEYS "\"sym\": true, \"checkpoint_format\": \"gptq_p\"}"}, "vllm", "E12", FAIL,
        "gptq_p");
    expect_none_here("gptqmodel", "E12");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = "{\"quant_method\": \"gptq\", \"bits\": 3, \"group_size\": 128, \"desc_act\": false, \"sym\": true}"},
           "lmdeploy", "E12", FAIL, "3 bits");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .bytes = true,
                           .quant = "{\"quant_method\": \"gptq\", \"bits\": 8, \"group_size\": 128, \"desc_act\": false, \"sym\": true}"}, "autogptq", "E12",
                           WARN, "8 bits");
    expect_none_here("vllm", NULL);
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .dense = "0.mlp.down_proj"}, "vllm", "E14", WARN, "down_proj");
    expect_here("autogptq", "E14", FAIL, "down_proj");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = "{" GPTQ_KEYS "\"sym\": true, \"modules_in_block_to_quantize\": [[\"mlp.up_proj\"]]}"},
           "transformers",
           "E14", SILENT, "makes a float one");
}

static void awq_configs(void **state)
{
#define AWQ_KEYS "\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 128, "
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_AWQ, .quant = "{" AWQ_KEYS "\"zero_point\": true, \"version\": \"gemv\"}"}, "vllm", "E13", FAIL, "gemv");
    expect_here("autoawq", "E13", WARN, "gemv");
    expect(&(struct llama){.encoding = ENCODING_AWQ, .quant = "{\"quant_method\": \"awq\", \"bits\": 8, \"group_size\": 128, \"zero_point\": true}"}, "vllm",
           "E13", FAIL,
           "bits 8");
    expect(&(struct llama){.encoding = ENCODING_AWQ, .quant = "{" AWQ_KEYS "\"zero_point\": false, \"version\": \"gemm\"}"}, "vllm", "E13", WARN, "zero_point");
    expect_here("autoawq", "E13", FAIL, "zero_point");
    expect(&(struct llama){.encoding = ENCODING_AWQ, .quant = AWQ, .dense = "0.mlp.down_proj"}, "vllm", "E14", FAIL, "down_proj");
    expect_none_here("autoawq", "E14");
    expect_none(&(struct llama){.encoding = ENCODING_AWQ, .dense = "0.mlp.down_proj",
                                .quant = "{" AWQ_KEYS "\"zero_point\": true, \"modules_to_not_convert\": [\"model.layers.0.mlp.down_proj\"]}"}, "vllm", NULL);
    expect(&(struct llama){.encoding = ENCODING_AWQ, .dense = "0.mlp.down_proj",
           .quant = "{" AWQ_KEYS "\"zero_point\": true, \"modules_to_not_convert\": [\"down_proj\"]}"},
           "vllm", "E14", SILENT, "model.layers.1.mlp.down_proj");
    expect(&(struct llama){.encoding = ENCODING_AWQ, .quant = AWQ, .extra = "model.layers.0.mlp.act.scales"}, "vllm", "E15", SILENT, "act.scales");
    expect_none_here("autoawq", "E15");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .extra = "model.layers.0.self_attn.q_proj.weight"}, "vllm", "E14", FAIL, "q_proj");
}

/* --- E16 to E19: weights -------------------------------------------------------------------------------------------------------------- */

static void kernels(void **state)
{
#define GROUPS(size) "{\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": " #size ", \"desc_act\": false, \"sym\": true}"
    const struct llama sixteen = {.encoding = ENCODING_GPTQ, .quant = GROUPS(16), .group = 16};
    const struct llama channel = {.encoding = ENCODING_AWQ, .group = WIDTH,
                                  .quant = "{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": -1, \"zero_point\": true, \"version\": \"gemm\"}"};
    (void)state;
    expect(&sixteen, "vllm", "E16", FAIL, "groups of 16");
    expect_here("gptqmodel", "E16", WARN, "groups of 16");
    expect_none_here("transformers", "E16");
    expect_none_here("autogptq", "E16");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GROUPS(32), .group = 32}, "lmdeploy", "E16", FAIL, "groups of 32");
    expect(&channel, "sglang", "E16", FAIL, "groups of 256");
    expect_none_here("vllm", NULL);
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .dense = "0.self_attn.k_proj"}, "vllm", "E17", FAIL, "model.layers.0.self_attn.k_proj");
    expect_here("sglang", "E17", FAIL, "float");
    expect_none_here("gptqmodel", "E17");
    expect(&(struct llama){.encoding = ENCODING_AWQ, .quant = AWQ, .dense = "0.mlp.gate_proj"}, "autoawq", "E17", WARN, "model.layers.0.mlp.up_proj");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .config = ", \"text_config\": {\"num_attention_heads\": 4}"}, "vllm", "E17", WARN,
        "up to 2 only");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .torch_dtype = "bfloat16"}, "vllm", "E18", WARN, "bfloat16");
    expect_none_here("gptqmodel", "E18");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .scale = 0xbc00}, "sglang", "E19", WARN, "negative");
    expect_none_here("vllm", "E19");
    expect(&(struct llama){.encoding = ENCODING_GPTQ, .quant = GPTQ, .scale = 0x7e00}, "vllm", "E19", SILENT, "NaN");
}

/* --- E20: compressed-tensors ------------------------------------------------------------------------------------------------------------ */

static void ct_configs(void **state)
{
#define CT_WITH(top, groups) (&(struct llama){.encoding = ENCODING_CT, .quant = "{" CT_TOP top "\"config_groups\": {" groups "}}"})
#define VERSION "\"version\": \"0.18.0\", "
    (void)state;
    expect(CT_WITH("", CT_GROUP(CT_ARGUMENTS)), "vllm", "E20", WARN, "version");
    expect(CT_WITH(VERSION, CT_GROUP(CT_ARGUMENTS ", \"novel\": 1")), "vllm", "E20", FAIL, "novel");
    expect(CT_WITH(VERSION, CT_GROUP("\"num_bits\": 4, \"strategy\": \"channel\", \"group_size\": 128")), "vllm", "E20", FAIL, "strategy channel");
    expect(CT_WITH(VERSION, CT_GROUP("\"num_bits\": 4, \"strategy\": \"channel\"")), "llama.cpp", "E20", FAIL, "strategy channel");
    expect_none_here("vllm", "E20");
    expect(CT_WITH(VERSION, CT_GROUP(CT_ARGUMENTS) ", \"h\": {\"targets\": [\"x\"]}"), "llama.cpp", "E20", FAIL, "several");
    expect(CT_WITH(VERSION, CT_GROUP(CT_ARGUMENTS ", \"actorder\": \"group\"")), "llama.cpp", "E20", FAIL, "actorder");
    expect(CT_WITH(VERSION "\"transform_config\": {\"config_groups\": {}}, ", CT_GROUP(CT_ARGUMENTS)), "llama.cpp", "E20", SILENT, "R-ROT");
    expect(&(struct llama){.encoding = ENCODING_CT, .quant = "{\"quant_method\": \"compressed-tensors\", \"format\": \"marlin-24\", \"version\": \"0.9.0\"}"},
           "vllm", "E20",
           FAIL, "marlin-24");
    expect(&(struct llama){.encoding = ENCODING_CT, .quant = "{\"quant_method\": \"compressed-tensors\", \"format\": \"mxfp4-pack-quantized\", \"version\": \"0.13.0\"}"},
           "vllm", "E20", SILENT, "0.13.0");
    expect(&(struct llama){.encoding = ENCODING_CT, .quant = CT}, "autoawq", "E0", FAIL, "compressed-tensors");
    expect(&(struct llama){.encoding = ENCODING_CT, .quant = CT, .dense = "0.mlp.down_proj"}, "vllm", "E20", FAIL, "model.layers.0.mlp.down_proj");
    expect_none(&(struct llama){.encoding = ENCODING_CT, .dense = "0.mlp.down_proj",
                                .quant = "{\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", \"version\": \"0.18.0\", "
                                         "\"ignore\": [\"lm_head\", \"re:.*mlp\\\\.down_proj$\"], \"config_groups\": {" CT_GROUP(CT_ARGUMENTS) "}}"}, "vllm",
                                             "E20");
}

/* --- E21, E22: msModelSlim ---------------------------------------------------------------------------------------------------------------- */

static void ascend(void **state)
{
    (void)state;
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .description = "quant_model_description_w8a16.json"}, "vllm-ascend", "E21", FAIL, "suffix");
    expect_none_here("mindie", NULL);
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .description = "quant_model_description_w4a8.json"}, "mindie", "E21", FAIL, "suffix");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .quant = "{\"w_bit\": 8}"}, "vllm-ascend", "E21", FAIL, "quantization_config");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .members = "\"version\": \"1.0.0\", "}, "vllm-ascend", "E21", WARN, "group_size");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .members = "\"version\": \"1.0.0\", \"group_size\": 0, \"fa_quant_type\": null, "},
           "vllm-ascend", "E21",
           FAIL, "fa_quant_type");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .model_type = "deepseekv2"}, "vllm-ascend", "E21", FAIL, "deepseekv2");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .unlisted = "embed_tokens.weight"}, "vllm-ascend", "E21", FAIL, "embed_tokens");
    expect_here("mindie", "E21", WARN, "embed_tokens");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH,
           .members = "\"version\": \"1.0.0\", \"group_size\": 0, \"model.lost.weight\": \"FLOAT\", "}, "vllm-ascend",
           "E21", SILENT, "model.lost.weight");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .type = "W8A8_NEW"}, "vllm-ascend", "E21", FAIL, "W8A8_NEW");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .type = "W4A16", .members = "\"group_size\": 0, "}, "vllm-ascend", "E21", FAIL, "W4A16");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .offset = 3}, "vllm-ascend", "E21", SILENT, "offsets");
    expect_none_here("mindie", "E21");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = 64}, "vllm-ascend", "E16", FAIL, "groups of 64");
    expect_none_here("mindie", NULL);
    expect(&(struct llama){.encoding = ENCODING_MS, .group = 32}, "mindie", "E16", WARN, "groups of 32");
    expect(&(struct llama){.encoding = ENCODING_MS, .group = 128, .type = "W4A16", .members = "\"version\": \"1.0.0\", \"group_size\": 128, "}, "mindie",
           "E22", SILENT,
           "not packed");
    expect_none(&(struct llama){.encoding = ENCODING_MS, .group = 128, .type = "W4A16", .members = "\"group_size\": 128, "}, "mindie", NULL);
    expect(&(struct llama){.encoding = ENCODING_MS, .group = WIDTH, .members = "\"version\": \"2.0.0\", \"group_size\": 0, "}, "mindie", "E22", FAIL, "2.0.0");
}

/* --- E25 ---------------------------------------------------------------------------------------------------------------------------------- */

static void side_of_the_model(void **state)
{
    (void)state;
    llama_write(&(struct llama){.encoding = ENCODING_HF, .config = ", \"auto_map\": {\"AutoModel\": \"modeling_x.X\", \"T\": [\"tokenizing_x.T\", null], \"O\": \"a/b--c.D\"}"},
                PLACE);
    expect_here("vllm", "E25", WARN, "modeling_x.py");
    expect_here("vllm", "E25", WARN, "no ");
    spill(PLACE, "modeling_x.py", "", 0);
    spill(PLACE, "tokenizing_x.py", "", 0);
    expect_none_here("vllm", NULL);
    NEED(remove(PLACE "/tokenizer_config.json") == 0);
    expect_here("vllm", "E25", WARN, "tokenizer_config.json");
    NEED(remove(PLACE "/tokenizer.json") == 0);
    expect_here("vllm", "E25", WARN, "no tokenizer files");
    NEED(remove(PLACE "/config.json") == 0);
    expect_here("vllm", "E25", FAIL, "no config.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),    cmocka_unit_test(format_and_reading), cmocka_unit_test(errors),     cmocka_unit_test(truncated),
        cmocka_unit_test(missing_tensors), cmocka_unit_test(shapes),          cmocka_unit_test(indexes),    cmocka_unit_test(metadata),
        cmocka_unit_test(side_files),   cmocka_unit_test(config_keys),        cmocka_unit_test(asymmetric), cmocka_unit_test(labels),
        cmocka_unit_test(orders),       cmocka_unit_test(gptq_configs),       cmocka_unit_test(awq_configs), cmocka_unit_test(kernels),
        cmocka_unit_test(ct_configs),   cmocka_unit_test(ascend),             cmocka_unit_test(side_of_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
