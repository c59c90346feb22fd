/* E23: keys that llama.cpp asks of a model file, with their types. Read from ggml-org/llama.cpp:src/llama-model.cpp (load_hparams), src/models/
 * (load_arch_hparams), src/llama-vocab.cpp (impl::load) and src/llama-arch.cpp (names of architectures). */
#include "check/ggufkeys.h"
#include "check/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const architectures[] = {
#define X(name) name,
#include "check/ggufarch.def"
#undef X
};

enum need {
    NEED_NOT,
    NEED_ALWAYS,
    NEED_DENSE,  /* in families, unless all layers have experts */
    NEED_FAMILY, /* in families */
};

/* A leading dot stands for the architecture's name. A key is of one type, or an error, whether it is needed or not. */
static const struct {
    const char *key;
    enum ggufile_kind kind;
    enum need need;
    bool each;     /* or an array, with one for each layer */
    bool positive; /* 0 is refused */
    bool family;   /* read of families only, as far as is known here */
} keys[] = {
    {"general.name", GGUFILE_STRING, NEED_NOT, false, false, false},
    {"general.file_type", GGUFILE_U32, NEED_NOT, false, false, false},
    {".context_length", GGUFILE_U32, NEED_ALWAYS, false, false, false},
    {".embedding_length", GGUFILE_U32, NEED_ALWAYS, false, true, false},
    {".block_count", GGUFILE_U32, NEED_ALWAYS, false, true, false},
    {".feed_forward_length", GGUFILE_U32, NEED_DENSE, true, false, false},
    {".attention.head_count", GGUFILE_U32, NEED_FAMILY, true, true, false},
    {".attention.head_count_kv", GGUFILE_U32, NEED_NOT, true, false, false},
    {".attention.key_length", GGUFILE_U32, NEED_NOT, false, false, false},
    {".attention.value_length", GGUFILE_U32, NEED_NOT, false, false, false},
    {".attention.causal", GGUFILE_BOOL, NEED_NOT, false, false, false},
    {".attention.layer_norm_rms_epsilon", GGUFILE_F32, NEED_FAMILY, false, false, false},
    {".attention.sliding_window", GGUFILE_U32, NEED_NOT, false, false, true},
    {".attn_logit_softcapping", GGUFILE_F32, NEED_NOT, false, false, true},
    {".final_logit_softcapping", GGUFILE_F32, NEED_NOT, false, false, true},
    {".expert_count", GGUFILE_U32, NEED_NOT, false, false, false},
    {".expert_used_count", GGUFILE_U32, NEED_NOT, true, false, false},
    {".expert_feed_forward_length", GGUFILE_U32, NEED_NOT, true, false, true},
    {".expert_shared_feed_forward_length", GGUFILE_U32, NEED_NOT, false, false, true},
    {".rope.dimension_count", GGUFILE_U32, NEED_NOT, false, false, false},
    {".rope.freq_base", GGUFILE_F32, NEED_NOT, false, false, false},
    {".rope.scaling.type", GGUFILE_STRING, NEED_NOT, false, false, false},
    {".rope.scaling.factor", GGUFILE_F32, NEED_NOT, false, false, false},
    {".rope.scaling.attn_factor", GGUFILE_F32, NEED_NOT, false, false, false},
    {".rope.scaling.original_context_length", GGUFILE_U32, NEED_NOT, false, false, false},
    {".rope.scaling.finetuned", GGUFILE_BOOL, NEED_NOT, false, false, false},
    {"tokenizer.ggml.pre", GGUFILE_STRING, NEED_NOT, false, false, false},
    {"tokenizer.ggml.token_type_count", GGUFILE_U32, NEED_NOT, false, false, false},
    {"tokenizer.ggml.add_bos_token", GGUFILE_BOOL, NEED_NOT, false, false, false},
    {"tokenizer.ggml.add_eos_token", GGUFILE_BOOL, NEED_NOT, false, false, false},
    {"tokenizer.ggml.add_sep_token", GGUFILE_BOOL, NEED_NOT, false, false, false},
    {"tokenizer.ggml.add_space_prefix", GGUFILE_BOOL, NEED_NOT, false, false, false},
    {"tokenizer.ggml.remove_extra_whitespaces", GGUFILE_BOOL, NEED_NOT, false, false, false},
};

static enum status report(struct subject *subject, const char *where, const char *found, const char *expected, struct err *err)
{
    return subject_report(subject, (struct remark){SEVERITY_FAIL, where, found, expected, NULL, 0}, err);
}

enum status judge_ggufkeys_model(struct subject *subject, struct err *err)
{
    char type[GGUFKEYS_ARCH_BYTES_MAX], arch[GGUFKEYS_ARCH_BYTES_MAX];
    const struct ggufset *set = &subject->gguf;
    if (!set->file[0].present || set->file[0].gguf.value == NULL)
        return STATUS_OK;
    if (ggufkeys_other(set, type))
        return report(subject, "general.type", subject_text(subject, err, "\"%s\"", type), "model: this file is something else", err);
    if (!ggufkeys_text(set, "general.architecture", arch, sizeof arch))
        return report(subject, "general.architecture", "no such key, or no name", "the name of the model's architecture", err);
    if (strcmp(arch, "clip") != 0)
        return STATUS_OK;
    return report(subject, "general.architecture", "\"clip\": a vision or audio tower", "a language model: --mmproj takes this file", err);
}

/* --- types ------------------------------------------------------------------------------------------------------------------ */

static const char *kind_text(struct subject *subject, const struct ggufile_value *value, struct err *err)
{
    return subject_text(subject, err, "a value of type %s%s", value->kind == GGUFILE_ARRAY ? "array of " : "", ggufile_kind_name(value->element));
}

static bool is_each(const struct ggufile_value *value)
{
    return value->kind == GGUFILE_ARRAY && (value->element == GGUFILE_U32 || value->element == GGUFILE_I32);
}

static enum status judge_key(struct subject *subject, const char *arch, size_t k, struct err *err)
{
    const unsigned family = ggufkeys_family(arch);
    const bool needed = keys[k].need == NEED_ALWAYS || (keys[k].need == NEED_FAMILY && family != 0) ||
                        (keys[k].need == NEED_DENSE && (family & ~(unsigned)GGUFKEYS_SPARSE) != 0);
    char name[GGUFKEYS_ARCH_BYTES_MAX + 80];
    (void)snprintf(name, sizeof name, "%s%s", keys[k].key[0] == '.' ? arch : "", keys[k].key);
    const struct ggufile_value *value = ggufset_value(&subject->gguf, name);
    const char *kind = ggufile_kind_name(keys[k].kind);
    if (keys[k].family && family == 0)
        return STATUS_OK;
    if (value == NULL && needed)
        return report(subject, subject_text(subject, err, "%s", name), "no such key",
                      subject_text(subject, err, "one of type %s: the engine has no default", kind), err);
    if (value == NULL)
        return STATUS_OK;
    if (value->kind != keys[k].kind && !(keys[k].each && is_each(value)))
        return report(subject, subject_text(subject, err, "%s", name), kind_text(subject, value, err),
                      subject_text(subject, err, "%s%s", kind, keys[k].each ? ", or an array with one for each layer" : ""), err);
    if (keys[k].positive && value->kind == GGUFILE_U32 && memcmp(value->data, "\0\0\0\0", 4) == 0)
        return report(subject, subject_text(subject, err, "%s", name), "0", "1 at least", err);
    return STATUS_OK;
}

/* --- numbers ---------------------------------------------------------------------------------------------------------------- */

static enum status judge_numbers(struct subject *subject, const char *arch, struct err *err)
{
    const struct ggufset *set = &subject->gguf;
    const uint64_t layers = ggufkeys_number(set, arch, "block_count", GGUFKEYS_UNKNOWN), experts = ggufkeys_number(set, arch, "expert_count", 0);
    const uint64_t used = ggufkeys_number(set, arch, "expert_used_count", 0);
    const bool sparse = (ggufkeys_family(arch) & GGUFKEYS_SPARSE) != 0;
    if (layers != GGUFKEYS_UNKNOWN && layers > GGUFKEYS_LAYERS_MAX)
        TRY(report(subject, subject_text(subject, err, "%s.block_count", arch), subject_text(subject, err, "%" PRIu64 " layers", layers), "at most 512", err));
    if (experts == GGUFKEYS_UNKNOWN || used == GGUFKEYS_UNKNOWN)
        return STATUS_OK;
    if (experts > GGUFKEYS_EXPERTS_MAX)
        TRY(report(subject, subject_text(subject, err, "%s.expert_count", arch), subject_text(subject, err, "%" PRIu64 " experts", experts), "at most 512",
                   err));
    if ((experts == 0 && used == 0 && !sparse) || (used > 0 && used <= experts))
        return STATUS_OK;
    return report(subject, subject_text(subject, err, "%s.expert_used_count", arch),
                  subject_text(subject, err, "%" PRIu64 " of %" PRIu64 " experts", used, experts), "1 to all of them", err);
}

/* Heads are turned in pairs; llama.cpp turns the whole head of a llama, and refuses anything else. Of Qwen 2 they make up the embedding. */
static enum status judge_heads(struct subject *subject, const char *arch, struct err *err)
{
    const struct ggufset *set = &subject->gguf;
    const uint64_t heads = ggufkeys_number(set, arch, "attention.head_count", GGUFKEYS_UNKNOWN);
    const uint64_t embed = ggufkeys_number(set, arch, "embedding_length", GGUFKEYS_UNKNOWN);
    const uint64_t even = heads == GGUFKEYS_UNKNOWN || heads == 0 || embed == GGUFKEYS_UNKNOWN ? GGUFKEYS_UNKNOWN : embed / heads;
    const uint64_t head = ggufkeys_number(set, arch, "attention.key_length", even), turned = ggufkeys_number(set, arch, "rope.dimension_count", head);
    const unsigned family = ggufkeys_family(arch);
    if (family == 0 || head == GGUFKEYS_UNKNOWN || turned == GGUFKEYS_UNKNOWN)
        return STATUS_OK;
    if ((family & (GGUFKEYS_QWEN2 | GGUFKEYS_QWEN2MOE)) != 0 && heads != GGUFKEYS_UNKNOWN && embed != GGUFKEYS_UNKNOWN && heads * head != embed)
        TRY(report(subject, subject_text(subject, err, "%s.attention.head_count", arch),
                   subject_text(subject, err, "%" PRIu64 " heads of %" PRIu64, heads, head),
                   subject_text(subject, err, "heads that make %" PRIu64 " in all", embed), err));
    if (family == GGUFKEYS_LLAMA ? turned == head : turned > 0 && turned <= head && turned % 2 == 0)
        return STATUS_OK;
    return report(subject, subject_text(subject, err, "%s.rope.dimension_count", arch), subject_text(subject, err, "%" PRIu64, turned),
                  subject_text(subject, err, "%s%" PRIu64 ", the size of a head", family == GGUFKEYS_LLAMA ? "" : "an even number up to ", head), err);
}

enum status judge_ggufkeys_pairs(struct subject *subject, struct err *err)
{
    char arch[GGUFKEYS_ARCH_BYTES_MAX];
    bool known = false;
    if (!ggufkeys_model(&subject->gguf, arch))
        return STATUS_OK;
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        known = known || strcmp(architectures[i], arch) == 0;
    if (!known)
        return subject_report(subject, (struct remark){subject->engine == ENGINE_LLAMA_CPP ? SEVERITY_FAIL : SEVERITY_WARN, "general.architecture",
                              subject_text(subject, err, "\"%s\"", arch), "an architecture that llama.cpp has", NULL, 0}, err);
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        TRY(judge_key(subject, arch, k, err));
    TRY(judge_heads(subject, arch, err));
    return judge_numbers(subject, arch, err);
}
