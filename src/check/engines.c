#include "check/engines.h"

#include <stdio.h>
#include <string.h>

static const char *const encoding_names[] = {"hf", "awq", "gptq", "gptq_v2", "compressed-tensors", "mlx", "msmodelslim",
                                             "bitsandbytes", "fp8", "mxfp4", "gguf"};
_Static_assert(sizeof encoding_names / sizeof encoding_names[0] == ENCODING_COUNT, "one name an encoding");

#define ACCELERATE (TRAIT_METADATA_PT | TRAIT_TOKENIZER)
#define SERVER (TRAIT_FUSES | TRAIT_SPLITS | TRAIT_TOKENIZER)
#define GPTQ_KERNELS (TRAIT_IGNORES_ZEROS | TRAIT_FLAG_ORDERS)
#define LISTS (TRAIT_LISTED_FLOATS | TRAIT_BLOCK_LIST)
#define LINEAR (SERVER | GPTQ_KERNELS | LISTS | TRAIT_MODEL_DTYPE | TRAIT_NEEDS_KEYS)

static const struct engine engines_table[] = {
    [ENGINE_VLLM] = {"vllm", "vLLM", "0.28", LINEAR | TRAIT_TOP_CONFIG, INDEX_SHARDS, NULL, NULL},
    [ENGINE_SGLANG] = {"sglang", "SGLang", "2026", LINEAR, INDEX_SHARDS, NULL, NULL},
    [ENGINE_TRANSFORMERS] = {"transformers", "transformers", "5.x",
                             GPTQ_KERNELS | LISTS | TRAIT_METADATA_KNOWN | TRAIT_TOKENIZER | TRAIT_ACT_SCALES | TRAIT_QUANTIZER_GATE | TRAIT_CONFIG_ONLY,
                             INDEX_FILES, "model", NULL},
    [ENGINE_AUTOAWQ] = {"autoawq", "AutoAWQ", "88e4c76", ACCELERATE | TRAIT_FUSES | TRAIT_ACT_SCALES | TRAIT_CONFIG_ONLY, INDEX_FILES, "model", NULL},
    [ENGINE_GPTQMODEL] = {"gptqmodel", "GPTQModel", "7.3.4",
                          ACCELERATE | GPTQ_KERNELS | TRAIT_SIDE_FILE_WINS | TRAIT_LISTED_FLOATS | TRAIT_QUANTIZER_GATE, INDEX_FILES, "model",
                          "gptq_model-"},
    [ENGINE_AUTOGPTQ] = {"autogptq", "AutoGPTQ", "9f7d370", ACCELERATE | TRAIT_SIDE_FILE_WINS | TRAIT_LISTED_FLOATS, INDEX_FILES, "model",
                         "gptq_model-"},
    [ENGINE_LLAMA_CPP] = {"llama.cpp", "llama.cpp", "2026-09 (of a directory: convert_hf_to_gguf)",
                          TRAIT_NEEDS_GROUP_OF | TRAIT_TOKENIZER | TRAIT_STRICT | TRAIT_CONFIG_ONLY, INDEX_EXACT, "model", NULL},
    [ENGINE_OLLAMA] = {"ollama", "Ollama", "2026-08", TRAIT_TOKENIZER | TRAIT_STRICT, INDEX_UNREAD, "model", "consolidated"},
    [ENGINE_VLLM_ASCEND] = {"vllm-ascend", "vLLM Ascend", "182b75e", SERVER, INDEX_SHARDS, NULL, NULL},
    [ENGINE_MINDIE] = {"mindie", "MindIE-LLM", "8b4871a", SERVER, INDEX_SHARDS, NULL, NULL},
    [ENGINE_MLX] = {"mlx", "mlx-lm", "2026-08", TRAIT_TOKENIZER | TRAIT_STRICT | TRAIT_CONFIG_ONLY, INDEX_UNREAD, "model", NULL},
    [ENGINE_LMDEPLOY] = {"lmdeploy", "LMDeploy TurboMind", "2026", SERVER | TRAIT_LISTED_FLOATS, INDEX_SHARDS, NULL, NULL},
};
_Static_assert(sizeof engines_table / sizeof engines_table[0] == ENGINE_COUNT, "one row an engine");

#define BITS2(a, b) (1u << (a) | 1u << (b))
#define BITS4(a, b, c, d) (BITS2(a, b) | BITS2(c, d))
#define MARLIN (CONSTRAINTS_PER_CHANNEL | 32 | 64 | 128)
#define TORCH (MARLIN | 16 | 256 | 512 | 1024)
#define NPU (CONSTRAINTS_PER_CHANNEL | 64 | 128)
#define LIMITS(...) .limits = {__VA_ARGS__}

#define ROW(id, stored, ...) {.engine = ENGINE_##id, .encoding = ENCODING_##stored, __VA_ARGS__}

static const struct acceptance acceptance_table[] = {
    ROW(VLLM, HF, .limits = {0}),
    ROW(VLLM, AWQ, LIMITS(.bits = 1u << 4, .groups = MARLIN, .out_multiple = 8), .out_warn = 64),
    ROW(VLLM, GPTQ, LIMITS(.bits = BITS2(4, 8), .groups = MARLIN, .symmetric_only = true), .out_warn = 64, .in_warn = 128),
    ROW(VLLM, GPTQ_V2, LIMITS(.bits = BITS2(4, 8), .groups = MARLIN, .symmetric_only = true), .out_warn = 64, .in_warn = 128),
    ROW(VLLM, CT, LIMITS(.bits = BITS2(4, 8), .groups = MARLIN)),
    ROW(VLLM, BNB, .limits = {0}),
    ROW(VLLM, FP8, .limits = {0}),
    ROW(VLLM, MXFP4, .limits = {0}),
    ROW(VLLM, GGUF, .limits = {0}),
    ROW(SGLANG, HF, .limits = {0}),
    ROW(SGLANG, AWQ, LIMITS(.bits = 1u << 4, .groups = 32 | 64 | 128, .out_multiple = 8), .out_warn = 64),
    ROW(SGLANG, GPTQ, LIMITS(.bits = BITS4(2, 3, 4, 8)), .groups_warn = MARLIN, .out_warn = 64, .in_warn = 128),
    ROW(SGLANG, GPTQ_V2, LIMITS(.bits = BITS4(2, 3, 4, 8)), .groups_warn = MARLIN, .out_warn = 64, .in_warn = 128),
    ROW(SGLANG, CT, LIMITS(.bits = BITS2(4, 8), .groups = MARLIN)),
    ROW(SGLANG, MS, LIMITS(.no_linear = true, .no_experts = true), .note_severity = SEVERITY_WARN, .note = "on NPUs only"),
    ROW(SGLANG, BNB, .limits = {0}),
    ROW(SGLANG, FP8, .limits = {0}),
    ROW(SGLANG, MXFP4, .limits = {0}),
    ROW(SGLANG, GGUF, .limits = {0}),
    ROW(TRANSFORMERS, HF, .limits = {0}),
    ROW(TRANSFORMERS, AWQ, LIMITS(.bits = 1u << 4, .groups = MARLIN | 16)),
    ROW(TRANSFORMERS, GPTQ, LIMITS(.bits = BITS4(2, 3, 4, 8), .groups = TORCH, .no_rules = true), .out_warn = 32, .in_warn = 32),
    ROW(TRANSFORMERS, GPTQ_V2, LIMITS(.bits = BITS4(2, 3, 4, 8), .groups = TORCH, .no_rules = true), .out_warn = 32, .in_warn = 32),
    ROW(TRANSFORMERS, CT, LIMITS(.bits = 0x1feu)),
    ROW(TRANSFORMERS, BNB, .limits = {0}),
    ROW(TRANSFORMERS, FP8, .limits = {0}),
    ROW(TRANSFORMERS, MXFP4, .limits = {0}),
    ROW(TRANSFORMERS, GGUF, .note_severity = SEVERITY_WARN, .note = "makes floats of it, of some architectures (gguf_file=)"),
    ROW(AUTOAWQ, AWQ, LIMITS(.bits = 1u << 4, .scale_dtypes = 1u << DTYPE_F16, .out_multiple = 8), .groups_warn = MARLIN,
        .out_warn = 64),
    ROW(GPTQMODEL, AWQ, LIMITS(.bits = 1u << 4, .groups = MARLIN | 16)),
    ROW(GPTQMODEL, GPTQ, LIMITS(.bits = 0x1fcu, .groups = TORCH), .groups_warn = MARLIN, .out_warn = 32, .in_warn = 32),
    ROW(GPTQMODEL, GPTQ_V2, LIMITS(.bits = 0x1fcu, .groups = TORCH), .groups_warn = MARLIN, .out_warn = 32, .in_warn = 32),
    ROW(AUTOGPTQ, AWQ, .note_severity = SEVERITY_FAIL, .note = "imports it by quantizing again through F16: zeros of 0 become 15"),
    ROW(AUTOGPTQ, GPTQ, LIMITS(.bits = BITS4(2, 3, 4, 8), .no_rules = true), .out_warn = 32, .in_warn = 32),
    ROW(LLAMA_CPP, HF, .limits = {0}),
    ROW(LLAMA_CPP, GPTQ, LIMITS(.bits = BITS2(2, 4) | 1u << 8, .no_rules = true)),
    ROW(LLAMA_CPP, GPTQ_V2, LIMITS(.bits = BITS2(2, 4) | 1u << 8, .no_rules = true)),
    ROW(LLAMA_CPP, CT, LIMITS(.bits = BITS4(1, 2, 4, 8), .no_act_order = true, .no_mxfp4 = true), .misfit = SEVERITY_SILENT),
    ROW(LLAMA_CPP, FP8, .limits = {0}),
    ROW(LLAMA_CPP, MXFP4, .limits = {0}),
    ROW(LLAMA_CPP, GGUF, .limits = {0}),
    ROW(OLLAMA, HF, .limits = {0}),
    ROW(OLLAMA, FP8, .limits = {0}),
    ROW(OLLAMA, GGUF, .limits = {0}),
    ROW(VLLM_ASCEND, HF, .limits = {0}),
    ROW(VLLM_ASCEND, CT,
        LIMITS(.bits = BITS2(4, 8), .symmetric_only = true, .no_negative_scales = true, .no_act_order = true, .no_linear = true)),
    ROW(VLLM_ASCEND, FP8, .limits = {0}),
    ROW(VLLM_ASCEND, MS,
        LIMITS(.bits = 1u << 8, .groups = CONSTRAINTS_PER_CHANNEL, .symmetric_only = true, .no_negative_scales = true, .no_act_order = true,
               .no_experts = true)),
    ROW(MINDIE, HF, .limits = {0}),
    ROW(MINDIE, MS, LIMITS(.bits = BITS2(4, 8), .no_negative_scales = true, .no_act_order = true), .groups_warn = NPU),
    ROW(MLX, HF, .limits = {0}),
    ROW(MLX, AWQ, LIMITS(.bits = 1u << 4, .groups = 32 | 64 | 128), .note_severity = SEVERITY_WARN, .note = "rounds -zero * scale to the scales' dtype"),
    ROW(MLX, GPTQ, .note_severity = SEVERITY_SILENT, .note = "reads the codes in AWQ's order, which GPTQ does not have"),
    ROW(MLX, GPTQ_V2, .note_severity = SEVERITY_SILENT, .note = "reads the codes in AWQ's order, which GPTQ does not have"),
    ROW(MLX, CT, LIMITS(.bits = 1u << 4, .groups = 32, .symmetric_only = true, .no_act_order = true), .misfit = SEVERITY_SILENT),
    ROW(MLX, MLX, LIMITS(.bits = BITS4(2, 3, 4, 5) | BITS2(6, 8), .groups = 32 | 64 | 128, .no_act_order = true)),
    ROW(MLX, MXFP4, .limits = {0}),
    ROW(LMDEPLOY, HF, .limits = {0}),
    ROW(LMDEPLOY, AWQ, LIMITS(.bits = 1u << 4, .groups = 128, .out_multiple = 8)),
    ROW(LMDEPLOY, GPTQ, LIMITS(.bits = 1u << 4, .groups = 128, .no_act_order = true, .no_rules = true)),
};

/* Types of ggml-org/ggml:include/ggml.h; of vllm-project/vllm:vllm/model_executor/layers/quantization/gguf.py; of ollama/ollama those that are as old as its
 * table is (formats/engines.md section 3.2). Kinds of values: what ollama/ollama:fs/ggml/gguf.go writes again in `ollama create -q`. */
#define TYPE(name) (UINT64_C(1) << GGML_##name)
#define KIND(name) (1u << GGUFILE_##name)
#define FLOATS (TYPE(F32) | TYPE(F16) | TYPE(BF16))
#define CLASSIC (TYPE(Q4_0) | TYPE(Q4_1) | TYPE(Q5_0) | TYPE(Q5_1) | TYPE(Q8_0) | TYPE(Q2_K) | TYPE(Q3_K) | TYPE(Q4_K) | TYPE(Q5_K) | TYPE(Q6_K))
#define GRIDS \
    (TYPE(IQ1_S) | TYPE(IQ1_M) | TYPE(IQ2_XXS) | TYPE(IQ2_XS) | TYPE(IQ2_S) | TYPE(IQ3_XXS) | TYPE(IQ3_S) | TYPE(IQ4_NL) | TYPE(IQ4_XS))
#define INTEGERS (TYPE(I8) | TYPE(I16) | TYPE(I32) | TYPE(I64) | TYPE(F64))
#define RECENT (TYPE(MXFP4) | TYPE(NVFP4) | TYPE(Q1_0) | TYPE(Q2_0))

static const struct gguf_reader gguf_readers[] = {
    {ENGINE_LLAMA_CPP, .version_first = 2, .big_endian = SEVERITY_FAIL, .places = SEVERITY_FAIL, .several = true,
     .types = FLOATS | CLASSIC | GRIDS | INTEGERS | TYPE(TQ1_0) | TYPE(TQ2_0) | RECENT, .types_recent = RECENT},
    {ENGINE_OLLAMA, .version_first = 2, .big_endian = SEVERITY_FAIL, .places = SEVERITY_WARN,
     .types = FLOATS | CLASSIC | GRIDS | INTEGERS | TYPE(MXFP4), .types_recent = TYPE(MXFP4),
     .kinds = KIND(U32) | KIND(U64) | KIND(F32) | KIND(BOOL) | KIND(STRING), .elements = KIND(I32) | KIND(U32) | KIND(F32) | KIND(STRING)},
    {ENGINE_VLLM, .version_first = 2, .big_endian = SEVERITY_SILENT, .nested = true, .types = FLOATS | CLASSIC | GRIDS},
    {ENGINE_SGLANG, .version_first = 2, .big_endian = SEVERITY_SILENT, .nested = true, .types = FLOATS | CLASSIC | GRIDS},
    {ENGINE_TRANSFORMERS, .version_first = 2, .big_endian = SEVERITY_SILENT, .nested = true,
     .types = FLOATS | CLASSIC | GRIDS | TYPE(TQ1_0) | TYPE(TQ2_0) | RECENT, .types_recent = RECENT},
};

const struct gguf_reader *engines_gguf_reader(enum engine_id engine)
{
    for (size_t i = 0; i < sizeof gguf_readers / sizeof gguf_readers[0]; i++)
        if (gguf_readers[i].engine == engine)
            return &gguf_readers[i];
    return NULL;
}

const char *engines_encoding_name(enum encoding encoding)
{
    return encoding < ENCODING_COUNT ? encoding_names[encoding] : "unknown";
}

enum encoding engines_encoding(const char *format)
{
    for (int e = 0; e < ENCODING_COUNT; e++)
        if (strcmp(encoding_names[e], format) == 0)
            return (enum encoding)e;
    return ENCODING_COUNT;
}

const struct engine *engines_at(enum engine_id id)
{
    return &engines_table[id];
}

enum engine_id engines_find(const char *name)
{
    for (int e = 0; e < ENGINE_COUNT; e++)
        if (strcmp(engines_table[e].name, name) == 0)
            return (enum engine_id)e;
    return ENGINE_COUNT;
}

const char *engines_names(char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (int e = 0; e < ENGINE_COUNT && used < size; e++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", e == 0 ? "" : ", ", engines_table[e].name);
    return buffer;
}

const struct acceptance *engines_accept(enum engine_id engine, enum encoding encoding)
{
    for (size_t i = 0; i < sizeof acceptance_table / sizeof acceptance_table[0]; i++)
        if (acceptance_table[i].engine == engine && acceptance_table[i].encoding == encoding)
            return &acceptance_table[i];
    return NULL;
}

struct constraints engines_limits_of(enum engine_id engine, const struct acceptance *row)
{
    struct constraints limits = row->limits;
    limits.engine = engines_table[engine].name;
    limits.format = encoding_names[row->encoding];
    if (row->encoding == ENCODING_GPTQ && (engines_table[engine].traits & TRAIT_QUANTIZER_GATE) != 0)
        limits.symmetric_only = true; /* what convert writes does not claim to be GPTQModel's */
    if (row->encoding == ENCODING_GGUF) {
        limits.ggml_types = engines_gguf_reader(engine)->types;
        limits.one_file = !engines_gguf_reader(engine)->several;
        limits.little_endian = engines_gguf_reader(engine)->big_endian >= SEVERITY_FAIL;
    }
    return limits;
}

void engines_limits(enum engine_id engine, struct engine_limits *limits)
{
    limits->count = 0;
    for (int e = 0; e < ENCODING_BNB; e++) {
        const struct acceptance *row = engines_accept(engine, (enum encoding)e);
        if (row != NULL && row->note_severity < SEVERITY_FAIL)
            limits->other[limits->count++] = engines_limits_of(engine, row);
    }
}

const char *engines_formats(enum engine_id engine, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (int e = 0; e < ENCODING_COUNT && used < size; e++) {
        const struct acceptance *row = engines_accept(engine, (enum encoding)e);
        const bool written = e < ENCODING_BNB || e == ENCODING_GGUF; /* by convert */
        if (row != NULL && written && row->note_severity < SEVERITY_FAIL)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used == 0 ? "" : ", ", encoding_names[e]);
    }
    return buffer;
}
