#include "check/rules.h"

#define ONE(encoding) (1u << ENCODING_##encoding)
#define EVERY ((2u << ENCODING_COUNT) - 1)
#define GGUFS ONE(GGUF)
#define ANY (EVERY - GGUFS) /* directories, and files of tensors */
#define QUANT ((1u << ENCODING_BNB) - 1 - ONE(HF)) /* integers of groups, whose kernels have limits */
#define WEIGHTS (QUANT | ONE(BNB) | ONE(FP8)) /* Linear layers that are quantized one by one */
#define FEWBITS (ONE(BNB) | ONE(FP8) | ONE(MXFP4) | ONE(CT) | ONE(MLX)) /* floats of few bits, or codebooks, may be among them */
#define GPTQ1 ONE(GPTQ)
#define GPTQS (ONE(GPTQ) | ONE(GPTQ_V2))
#define AWQS ONE(AWQ)
#define PACKED (GPTQS | AWQS)
#define CTS ONE(CT)
#define MSS ONE(MS)
#define OTHER (ONE(CT) | ONE(MLX) | ONE(MS))
#define ALL ((1u << ENGINE_COUNT) - 1)
#define ONLY(engine) (1u << ENGINE_##engine)
#define SERVERS (ONLY(VLLM) | ONLY(SGLANG))
#define GGML (ONLY(LLAMA_CPP) | ONLY(OLLAMA)) /* the file alone says all */
#define ASCEND (ONLY(VLLM_ASCEND) | ONLY(MINDIE))

static const struct rule rules_table[] = {
#define X(name, function, encoding_mask, engine_mask, need_name, title_text) \
    {.id = name, .title = title_text, .encodings = encoding_mask, .engines = engine_mask, .need = RULE_NEED_##need_name, .judge = function},
#include "check/rules.def"
#undef X
};
_Static_assert(sizeof rules_table / sizeof rules_table[0] <= FINDINGS_RULES_MAX, "room for the result of every rule");

size_t rules_count(void)
{
    return sizeof rules_table / sizeof rules_table[0];
}

const struct rule *rules_at(size_t index)
{
    return &rules_table[index];
}

static bool applies(const struct subject *subject, const struct rule *rule)
{
    if ((rule->encodings >> subject->encoding & 1) == 0 || (rule->engines >> subject->engine & 1) == 0)
        return false;
    if (subject->accepts == NULL)
        return rule->need == RULE_NEED_ALWAYS;
    switch (rule->need) {
    case RULE_NEED_ALWAYS:
    case RULE_NEED_NOTHING:
        return true;
    case RULE_NEED_CONFIG:
        return subject->settings != NULL;
    case RULE_NEED_READ:
        return subject->read;
    case RULE_NEED_SURVEY:
        return subject->surveyed;
    }
    return false;
}

enum status rules_run(struct subject *subject, struct err *err)
{
    for (size_t r = 0; r < rules_count(); r++) {
        if (!applies(subject, &rules_table[r]))
            continue;
        subject->findings.rule = r;
        subject->findings.result[r].ran = true;
        TRY(rules_table[r].judge(subject, err));
    }
    return STATUS_OK;
}
