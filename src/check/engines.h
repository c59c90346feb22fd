/* The engines and what each accepts of each format: one table a question (docs/engines.md). */
#ifndef REPAQ_ENGINES_H
#define REPAQ_ENGINES_H

#include "check/findings.h"
#include "container/ggufile.h"
#include "plan/constraints.h"

enum engine_id {
    ENGINE_VLLM, ENGINE_SGLANG, ENGINE_TRANSFORMERS, ENGINE_AUTOAWQ, ENGINE_GPTQMODEL, ENGINE_AUTOGPTQ, ENGINE_LLAMA_CPP, ENGINE_OLLAMA,
    ENGINE_VLLM_ASCEND, ENGINE_MINDIE, ENGINE_MLX, ENGINE_LMDEPLOY, ENGINE_COUNT,
};

/* How the weights are stored, by the names of formats. */
enum encoding {
    ENCODING_HF, ENCODING_AWQ, ENCODING_GPTQ, ENCODING_GPTQ_V2, ENCODING_CT, ENCODING_MLX, ENCODING_MS, ENCODING_BNB, ENCODING_FP8,
    ENCODING_MXFP4, ENCODING_GGUF,
    ENCODING_COUNT, /* and: unknown */
};
const char *engines_encoding_name(enum encoding encoding); /* "gptq_v2"; "unknown" */
enum encoding engines_encoding(const char *format);        /* by a format's name; ENCODING_COUNT if unknown */

/* Habits of a loader that rules ask for. */
enum trait {
    TRAIT_SIDE_FILE_WINS = 1 << 0,  /* quantize_config.json beats config.json */
    TRAIT_METADATA_PT = 1 << 1,     /* accelerate: __metadata__.format is pt, or a warning where it is absent */
    TRAIT_METADATA_KNOWN = 1 << 2,  /* transformers: absent, or pt, tf, flax, mlx */
    TRAIT_FUSES = 1 << 3,           /* q/k/v and gate/up become one module */
    TRAIT_SPLITS = 1 << 4,          /* tensor parallelism cuts weights */
    TRAIT_MODEL_DTYPE = 1 << 5,     /* scales are cast to the model's dtype */
    TRAIT_IGNORES_ZEROS = 1 << 6,   /* with sym: true the stored zeros are not read */
    TRAIT_NEEDS_KEYS = 1 << 7,      /* no defaults for bits, group_size, desc_act, sym, zero_point */
    TRAIT_FLAG_ORDERS = 1 << 8,     /* desc_act decides whether g_idx is read */
    TRAIT_NEEDS_GROUP_OF = 1 << 9,  /* g_idx must be stored */
    TRAIT_LISTED_FLOATS = 1 << 10,  /* a Linear layer is quantized unless the config lists it */
    TRAIT_ACT_SCALES = 1 << 11,     /* knows AutoAWQ's activation scales */
    TRAIT_TOP_CONFIG = 1 << 12,     /* may miss a quantization_config inside text_config */
    TRAIT_QUANTIZER_GATE = 1 << 13, /* asymmetric v1 zeros only from gptqmodel >= 0.9.0 */
    TRAIT_TOKENIZER = 1 << 14,      /* needs the tokenizer files beside the weights */
    TRAIT_STRICT = 1 << 15,         /* an absent tensor is an error; elsewhere it is what memory held */
    TRAIT_BLOCK_LIST = 1 << 16,     /* reads modules_in_block_to_quantize */
    TRAIT_CONFIG_ONLY = 1 << 17,    /* looks for quantization_config in config.json and nowhere else */
};

/* What a loader does with an index of shards. */
enum index_habit {
    INDEX_SHARDS, /* opens the shards that it names, as far as they are there; a tensor that is in none of them goes unnoticed */
    INDEX_FILES,  /* the same, and a shard that is absent is an error */
    INDEX_EXACT,  /* its names must be those of the shards, no more and no fewer */
    INDEX_UNREAD, /* opens what lies there by name */
    INDEX_HABIT_COUNT,
};

struct engine {
    const char *name;  /* as in --for */
    const char *title;
    const char *read;  /* the version that was read */
    uint32_t traits;
    enum index_habit index;
    const char *stem;  /* weight files it looks for start so; NULL: any name */
    const char *other_stem;
};

/* What an engine takes of one encoding. No row: it does not load it. */
struct acceptance {
    enum engine_id engine;
    enum encoding encoding;
    struct constraints limits;
    enum severity misfit;         /* of what breaks a limit; PASS stands for FAIL */
    uint32_t groups_warn;         /* groups that all kernels take; 0: any */
    uint16_t out_warn, in_warn;   /* multiples that kernels want */
    enum severity note_severity;  /* of the note; PASS: there is none */
    const char *note;
};

/* What an engine takes of GGUF files. */
struct gguf_reader {
    enum engine_id engine;
    uint8_t version_first;    /* up to 3 */
    enum severity big_endian; /* of such files */
    enum severity places;     /* of data with gaps, or in another order than the table's */
    bool nested, several;     /* takes arrays of arrays; sets of files */
    uint64_t types;           /* bit t: enum ggml_type that it computes with */
    uint64_t types_recent;    /* those among them that only recent builds know */
    uint32_t kinds, elements; /* bit k: enum ggufile_kind of values, and of arrays, that all of its tools take; 0: any */
};
/* The row, or NULL: it reads none. */
const struct gguf_reader *engines_gguf_reader(enum engine_id engine);

const struct engine *engines_at(enum engine_id id);
/* ENGINE_COUNT if unknown. */
enum engine_id engines_find(const char *name);
/* "vllm, sglang, ..." into buffer; returns buffer. */
const char *engines_names(char *buffer, size_t size);
/* The row, or NULL. */
const struct acceptance *engines_accept(enum engine_id engine, enum encoding encoding);
/* "hf, awq, ..." that the engine loads; returns buffer. */
const char *engines_formats(enum engine_id engine, char *buffer, size_t size);

/* What an engine takes of all formats that convert writes, as the plan is told of it. */
struct engine_limits {
    struct constraints other[ENCODING_COUNT]; /* .format names each */
    size_t count;
};
void engines_limits(enum engine_id engine, struct engine_limits *limits);
/* The same of one row. */
struct constraints engines_limits_of(enum engine_id engine, const struct acceptance *row);

#endif
