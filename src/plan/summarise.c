#include "plan/summarise.h"

#include "formats/parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_lm_head(const char *name)
{
    return strcmp(name, "lm_head") == 0 || slice_ends(slice_of(name), ".lm_head");
}

/* --- layers left float ----------------------------------------------------------------------------------------------------- */

static enum status list_dense(struct plan *plan, struct summary *summary, struct err *err)
{
    const char **names = arena_alloc(&plan->arena, plan->tensor_count, sizeof *names, err);
    size_t count = 0;
    if (names == NULL)
        return STATUS_LIMIT;
    for (size_t t = 0; t < plan->tensor_count; t++) {
        const struct output_tensor *output = &plan->tensor[t];
        struct slice module;
        if (output->step == STEP_DENSE)
            names[count++] = plan->model->weight[output->source].name;
        if ((output->step != STEP_COPY && output->step != STEP_CAST) || !parts_dense_linear(&plan->model->tensor[output->source], &module))
            continue;
        names[count] = arena_copy(&plan->arena, module.data, module.size, err);
        if (names[count] == NULL)
            return STATUS_LIMIT;
        count++;
    }
    qsort(names, count, sizeof *names, by_name);
    summary->dense = names;
    summary->dense_count = count;
    return STATUS_OK;
}

/* --- widths and groups ------------------------------------------------------------------------------------------------------ */

/* A format with a list of group sizes has no word for "per channel". */
static int64_t group_as_stored(const struct plan *plan, size_t index)
{
    const struct spec *spec = &plan->spec[index];
    const bool channel = spec->group >= plan->model->weight[index].in && plan->target->can.group_size == NULL && spec->scale_dtype != DTYPE_F8_E8M0;
    return channel ? -1 : (int64_t)spec->group;
}

/* True if a checkpoint whose group_size is `group` describes this weight rightly without a rule. */
static bool group_fits(const struct plan *plan, size_t index, int64_t group)
{
    const int64_t own = group_as_stored(plan, index);
    return own == group || (own == -1 && group >= 0 && (uint64_t)group >= plan->model->weight[index].in);
}

/* A width, grid and group size that some weights have, and how many. */
struct kind {
    const struct form *form; /* of the first */
    unsigned bits;
    int64_t group;
    size_t count;
};

#define KINDS_MAX 64 /* later kinds are described by rules alone */

static size_t count_kinds(const struct plan *plan, struct kind kind[KINDS_MAX])
{
    size_t kinds = 0;
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        if (!plan_keeps(plan, w))
            continue;
        const int64_t group = group_as_stored(plan, w);
        size_t k = 0;
        while (k < kinds && (kind[k].bits != plan->spec[w].bits || kind[k].form->grid != plan_form(plan, w)->grid || kind[k].group != group))
            k++;
        if (k == KINDS_MAX)
            continue;
        if (k == kinds)
            kind[kinds++] = (struct kind){plan_form(plan, w), plan->spec[w].bits, group, 0};
        kind[k].count++;
    }
    return kinds;
}

/* The width and group size of most weights; ties go to the first in name order. Small layers that hold one group are per channel by their
 * own account: they do not outvote real groups that describe them as well. */
static void find_majority(const struct plan *plan, struct summary *summary)
{
    struct kind kind[KINDS_MAX];
    const size_t kinds = count_kinds(plan, kind);
    const struct kind *best = NULL, *grouped = NULL;
    for (size_t k = 0; k < kinds; k++) {
        if (best == NULL || kind[k].count > best->count)
            best = &kind[k];
        if (kind[k].group != -1 && (grouped == NULL || kind[k].count > grouped->count))
            grouped = &kind[k];
    }
    summary->bits = best == NULL ? 0 : best->bits;
    summary->group = best == NULL ? -1 : best->group;
    summary->form = best == NULL ? NULL : best->form;
    if (grouped == NULL || summary->group != -1)
        return;
    for (size_t w = 0; w < plan->model->weight_count; w++)
        if (plan_keeps(plan, w) && group_as_stored(plan, w) == -1 && !group_fits(plan, w, grouped->group))
            return;
    summary->group = grouped->group;
    summary->bits = grouped->bits;
    summary->form = grouped->form;
}

static enum status list_mixed(struct plan *plan, struct summary *summary, struct err *err)
{
    size_t count = 0;
    struct mixed_rule *rules = arena_alloc(&plan->arena, plan->model->weight_count, sizeof *rules, err);
    if (rules == NULL)
        return STATUS_LIMIT;
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        const struct weight *weight = &plan->model->weight[w];
        if (!plan_keeps(plan, w))
            continue;
        if (plan->spec[w].bits != summary->bits || plan_form(plan, w)->grid != summary->form->grid || !group_fits(plan, w, summary->group))
            rules[count++] = (struct mixed_rule){weight->name, plan->spec[w].bits, group_as_stored(plan, w), plan_form(plan, w)};
    }
    summary->mixed = rules;
    summary->mixed_count = count;
    return STATUS_OK;
}

/* --- modules of a decoder block ---------------------------------------------------------------------------------------------- */

/* "model.layers.12.mlp.up_proj": prefix "model.layers.", layer 12, module "mlp.up_proj". False without a numbered part. */
static bool split_block(const char *name, struct slice *prefix, uint64_t *layer, const char **module)
{
    for (const char *part = name; part != NULL; part = strchr(part, '.') != NULL ? strchr(part, '.') + 1 : NULL) {
        size_t digits = 0;
        while (isdigit((unsigned char)part[digits]))
            digits++;
        if (digits == 0 || part[digits] != '.' || !slice_u64((struct slice){part, digits}, layer))
            continue;
        *prefix = (struct slice){name, (size_t)(part - name)};
        *module = part + digits + 1;
        return true;
    }
    return false;
}

/* Quantized modules when they are the same in every block and some Linear of a block is float. */
static enum status list_block_modules(struct plan *plan, struct summary *summary, struct err *err)
{
    struct slice prefix = {0}, own;
    uint64_t layer, layers = 0;
    const char *module;
    bool float_inside = false;
    for (size_t i = 0; i < summary->dense_count; i++)
        float_inside = float_inside || split_block(summary->dense[i], &own, &layer, &module);
    if (!float_inside || plan->kept_count == 0)
        return STATUS_OK;
    const char **names = arena_alloc(&plan->arena, plan->kept_count, sizeof *names, err);
    size_t count = 0;
    if (names == NULL)
        return STATUS_LIMIT;
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        if (!plan_keeps(plan, w) || is_lm_head(plan->model->weight[w].name)) /* which has a member of its own */
            continue;
        if (!split_block(plan->model->weight[w].name, &own, &layer, &names[count]) || (count > 0 && !slice_equal(own, prefix)))
            return STATUS_OK;
        count++;
        prefix = own;
        layers = layer + 1 > layers ? layer + 1 : layers;
    }
    qsort(names, count, sizeof *names, by_name);
    size_t kinds = 0;
    for (size_t w = 0; w < count; kinds++) {
        size_t same = 0;
        while (w + same < count && strcmp(names[w], names[w + same]) == 0)
            same++;
        if (same != layers)
            return STATUS_OK;
        names[kinds] = names[w];
        w += same;
    }
    summary->block_module = names;
    summary->block_module_count = kinds;
    return STATUS_OK;
}

/* --- weights that are stored alike --------------------------------------------------------------------------------------------- */

/* A weight with what its scheme follows from. */
struct member {
    const char *name;
    int64_t group;
    bool symmetric, act_order, input_zero, one;
    uint64_t rows;
    uint8_t form;
};

static int compare_schemes(const struct member *a, const struct member *b)
{
    if (a->form != b->form)
        return a->form < b->form ? -1 : 1;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    if (a->symmetric != b->symmetric)
        return a->symmetric ? -1 : 1;
    if (a->rows != b->rows)
        return a->rows < b->rows ? -1 : 1;
    if (a->one != b->one)
        return b->one ? -1 : 1;
    if (a->input_zero != b->input_zero)
        return b->input_zero ? -1 : 1;
    return a->act_order == b->act_order ? 0 : b->act_order ? -1 : 1;
}

static int by_scheme(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    const int order = compare_schemes(left, right);
    return order != 0 ? order : strcmp(left->name, right->name);
}

static int by_size(const void *a, const void *b)
{
    const struct scheme *left = a, *right = b;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return strcmp(left->name[0], right->name[0]);
}

static size_t list_members(const struct plan *plan, struct member *member)
{
    size_t count = 0;
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        if (!plan_keeps(plan, w))
            continue;
        const struct spec *spec = &plan->spec[w];
        const struct survey_weight *seen = &plan->survey->weight[w];
        member[count++] = (struct member){
            .name = plan->model->weight[w].name,
            .group = spec->rows > 0 ? (int64_t)spec->group : group_as_stored(plan, w),
            .symmetric = spec->zero_kind == ZERO_MID,
            .act_order = !seen->trivial_group_of,
            .input_zero = seen->input_zero && spec->activation == ACTIVATION_STATIC,
            .one = spec->grid == GRID_MINIFLOAT && spec->param_order == ORDER_ONE,
            .rows = spec->rows,
            .form = spec->form,
        };
    }
    qsort(member, count, sizeof *member, by_scheme);
    return count;
}

static struct scheme scheme_of(const struct plan *plan, const struct member *member, const char **names)
{
    return (struct scheme){.form = &plan->target->form[member->form],
                           .group = member->group,
                           .symmetric = member->symmetric,
                           .act_order = member->act_order,
                           .input_zero = member->input_zero,
                           .one = member->one,
                           .rows = member->rows,
                           .name = names};
}

static enum status list_schemes(struct plan *plan, struct summary *summary, struct err *err)
{
    struct member *member = arena_alloc(&plan->arena, plan->kept_count, sizeof *member, err);
    const char **names = arena_alloc(&plan->arena, plan->kept_count, sizeof *names, err);
    struct scheme *scheme = arena_alloc(&plan->arena, plan->kept_count, sizeof *scheme, err);
    if (member == NULL || names == NULL || scheme == NULL)
        return STATUS_LIMIT;
    const size_t count = list_members(plan, member);
    for (size_t m = 0; m < count; m++) {
        names[m] = member[m].name;
        if (m == 0 || compare_schemes(&member[m - 1], &member[m]) != 0)
            scheme[summary->scheme_count++] = scheme_of(plan, &member[m], &names[m]);
        scheme[summary->scheme_count - 1].count++;
    }
    qsort(scheme, summary->scheme_count, sizeof *scheme, by_size);
    summary->scheme = scheme;
    return STATUS_OK;
}

enum status summarise_plan(struct plan *plan, struct summary *summary, struct err *err)
{
    *summary = (struct summary){.symmetric = plan->symmetric, .act_order = plan->act_order, .variant = plan->variant};
    for (size_t w = 0; w < plan->model->weight_count; w++)
        summary->lm_head = summary->lm_head || (plan_keeps(plan, w) && is_lm_head(plan->model->weight[w].name));
    TRY(list_dense(plan, summary, err));
    find_majority(plan, summary);
    TRY(list_mixed(plan, summary, err));
    TRY(list_schemes(plan, summary, err));
    return list_block_modules(plan, summary, err);
}
