/* E17: modules that an engine fuses or cuts. */
#include "base/limits.h"
#include "check/rules.h"
#include "check/spread.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PARALLEL_MAX 8

/* A member, and the first of its module: both must be of one kind. */
static const struct {
    const char *member, *first;
} fused[] = {
    {"k_proj", "q_proj"}, {"v_proj", "q_proj"}, {"up_proj", "gate_proj"}, {"w3", "w1"}, {"kv_a_proj_with_mqa", "q_a_proj"}, {"in_proj_ba", "in_proj_qkvz"},
};

bool judge_fused_mate(const char *name, char *mate, size_t size)
{
    const char *dot = strrchr(name, '.'), *leaf = dot == NULL ? name : dot + 1;
    for (size_t i = 0; i < sizeof fused / sizeof fused[0]; i++)
        if (strcmp(leaf, fused[i].member) == 0 && (size_t)snprintf(mate, size, "%.*s%s", (int)(leaf - name), name, fused[i].first) < size)
            return true;
    return false;
}

/* Expert 0 of the same layer; false if the module is no expert, or is that one. */
static bool first_expert(const char *name, char *mate, size_t size)
{
    static const char mark[] = ".experts.";
    const char *at = strstr(name, mark);
    if (at == NULL)
        return false;
    const char *number = at + sizeof mark - 1, *rest = number + strspn(number, "0123456789");
    if (rest == number || (rest == number + 1 && *number == '0'))
        return false;
    return (size_t)snprintf(mate, size, "%.*s0%s", (int)(number - name), name, rest) < size;
}

static const char *kind_text(struct subject *subject, const struct module *module, struct err *err)
{
    if (module->weight == MODEL_NONE)
        return "float";
    const struct weight *weight = &subject->model.weight[module->weight];
    if (weight->groups == 1)
        return subject_text(subject, err, "%u bits per channel", weight->spec.bits);
    return subject_text(subject, err, "%u bits in groups of %" PRIu64, weight->spec.bits, weight->spec.group);
}

static bool are_alike(const struct model *model, const struct module *a, const struct module *b)
{
    if (a->weight == MODEL_NONE || b->weight == MODEL_NONE)
        return a->weight == b->weight;
    const struct weight *x = &model->weight[a->weight], *y = &model->weight[b->weight];
    return x->spec.bits == y->spec.bits && x->spec.group == y->spec.group;
}

static enum status judge_pair(struct subject *subject, const struct module *module, const char *mate, struct err *err)
{
    const uint32_t at = map_find(&subject->module_by_name, slice_of(mate));
    if (at == MAP_NONE || are_alike(&subject->model, module, &subject->module[at]))
        return STATUS_OK;
    const enum severity severity = subject->engine == ENGINE_AUTOAWQ ? SEVERITY_WARN : SEVERITY_FAIL; /* fusing is an option there */
    return subject_report(subject, (struct remark){severity, module->name, kind_text(subject, module, err),
                          subject_text(subject, err, "%s, as %s has: the engine makes one module of them", kind_text(subject, &subject->module[at], err),
                                       subject->module[at].name),
                          "repaq convert --keep REGEX with both names leaves them float", 0}, err);
}

enum status judge_fused_members(struct subject *subject, struct err *err)
{
    char mate[LIMIT_NAME_BYTES_MAX + 32];
    if ((subject->row->traits & TRAIT_FUSES) == 0)
        return STATUS_OK;
    for (size_t m = 0; m < subject->module_count; m++) {
        if (judge_fused_mate(subject->module[m].name, mate, sizeof mate))
            TRY(judge_pair(subject, &subject->module[m], mate, err));
        if (first_expert(subject->module[m].name, mate, sizeof mate))
            TRY(judge_pair(subject, &subject->module[m], mate, err));
    }
    return STATUS_OK;
}

/* --- tensor parallelism ----------------------------------------------------------------------------------------------------- */

static bool is_cut_along_in(const char *name)
{
    static const char *const leaves[] = {".o_proj", ".down_proj", ".w2", ".out_proj"};
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
        if (slice_ends(slice_of(name), leaves[i]))
            return true;
    return false;
}

/* Channels that a cut must not part: a group along in, the codes of a word along out. */
static uint64_t unit_of(const struct weight *weight)
{
    if (is_cut_along_in(weight->name) && weight->groups > 1)
        return weight->spec.group;
    return weight->spec.bits > 0 && weight->spec.bits < 32 ? 32u / weight->spec.bits : 1;
}

/* The largest power of two, up to PARALLEL_MAX, that cuts the weight into whole groups and words. */
static unsigned largest_cut(const struct weight *weight)
{
    unsigned best = 1;
    const uint64_t size = is_cut_along_in(weight->name) ? weight->in : weight->out, unit = unit_of(weight);
    for (unsigned parts = 2; parts <= PARALLEL_MAX && unit > 0; parts *= 2)
        if (size % parts == 0 && size / parts % unit == 0)
            best = parts;
        else
            break;
    return best;
}

/* Only Marlin cuts weights in another order than the columns', and ROCm has no Marlin. */
static enum status judge_ordered(struct subject *subject, struct err *err)
{
    struct spread ordered = {0};
    for (size_t w = 0; subject->surveyed && w < subject->model.weight_count; w++)
        if (!subject->survey.weight[w].trivial_group_of)
            spread_add(&ordered, subject->model.weight[w].name);
    if (ordered.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_WARN, spread_text(&ordered, subject, err),
                          "an activation order, which not all kernels take on ROCm or cut",
                          "consecutive groups", NULL, 0}, err);
}

enum status judge_fused_parallel(struct subject *subject, struct err *err)
{
    const int64_t heads = subject_int(subject->text_config, "num_attention_heads", 0);
    unsigned wanted = 1, best = PARALLEL_MAX;
    struct spread narrow = {0};
    const struct weight *worst = NULL;
    while (heads > 0 && wanted < PARALLEL_MAX && heads % (2 * wanted) == 0)
        wanted *= 2;
    if ((subject->row->traits & TRAIT_SPLITS) == 0)
        return STATUS_OK;
    TRY(judge_ordered(subject, err));
    for (size_t w = 0; w < subject->model.weight_count; w++) {
        const struct weight *weight = &subject->model.weight[w];
        const unsigned cut = largest_cut(weight);
        if (slice_ends(slice_of(weight->name), ".k_proj") || slice_ends(slice_of(weight->name), ".v_proj") || cut >= wanted)
            continue; /* heads of keys and values are copied where there are too few */
        spread_add(&narrow, weight->name);
        if (cut < best) {
            best = cut;
            worst = weight;
        }
    }
    if (worst == NULL)
        return STATUS_OK;
    const bool along_in = is_cut_along_in(worst->name);
    return subject_report(subject, (struct remark){SEVERITY_WARN, spread_text(&narrow, subject, err),
                          subject_text(subject, err, "tensor parallelism up to %u only: %" PRIu64 " %s channels in groups of %" PRIu64, best,
                                       along_in ? worst->in : worst->out, along_in ? "input" : "output", unit_of(worst)),
                          subject_text(subject, err, "%u, which the attention heads allow", wanted), NULL, 0}, err);
}
