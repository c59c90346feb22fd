#include "plan/constraints.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GROUP_MAX UINT32_C(0x80000000)

bool constraints_group_fits(const struct constraints *constraints, uint64_t group, bool per_channel)
{
    if (constraints->groups == 0 || (per_channel && (constraints->groups & CONSTRAINTS_PER_CHANNEL) != 0))
        return true;
    const bool power = group > 1 && group <= GROUP_MAX && (group & (group - 1)) == 0;
    return power && (constraints->groups & group) != 0;
}

static bool is_held(const uint16_t *held, uint64_t group)
{
    while (held != NULL && *held != 0 && *held != group)
        held++;
    return held == NULL || *held != 0;
}

int64_t constraints_default_group(const struct constraints *constraints, const uint16_t *held, uint64_t usual)
{
    int64_t best = -1;
    if (constraints == NULL || constraints->groups == 0)
        return (int64_t)usual;
    for (uint64_t size = 16; size <= GROUP_MAX; size *= 2) {
        if (!constraints_group_fits(constraints, size, false) || !is_held(held, size))
            continue;
        if (size > usual && best > 0)
            break;
        best = (int64_t)size;
        if (size >= usual)
            break;
    }
    return best;
}

/* Appends "value", with what must stand before it in a list of which `left` are still to come. */
static void list_add(char *buffer, size_t size, long long value, unsigned left)
{
    const size_t used = strlen(buffer);
    (void)snprintf(buffer + used, size - used, "%s%lld", used == 0 ? "" : left == 0 ? " or " : ", ", value);
}

const char *constraints_bits_text(uint32_t bits, char *buffer, size_t size)
{
    buffer[0] = '\0';
    for (unsigned b = 0; b < 32; b++)
        if ((bits >> b & 1) != 0)
            list_add(buffer, size, b, (bits >> b) >> 1);
    if (bits == 0)
        (void)snprintf(buffer, size, "any");
    return buffer;
}

const char *constraints_groups_text(uint32_t groups, char *buffer, size_t size)
{
    buffer[0] = '\0';
    for (unsigned b = 0; b < 32; b++)
        if ((groups >> b & 1) != 0)
            list_add(buffer, size, b == 0 ? -1 : (long long)(UINT64_C(1) << b), (groups >> b) >> 1);
    if (groups == 0)
        (void)snprintf(buffer, size, "any");
    return buffer;
}

static enum status refuse(const struct constraints *constraints, const struct weight *weight, const char *found, const char *expected, struct err *err)
{
    return err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %s, expected %s: %s takes nothing else", found, expected, constraints->engine);
}

static enum status check_numbers(const struct constraints *constraints, const struct weight *weight, const struct spec *target, struct err *err)
{
    char found[80], expected[120], list[100];
    if (constraints->bits != 0 && (constraints->bits >> target->bits & 1) == 0) {
        (void)snprintf(found, sizeof found, "%u bits", target->bits);
        return refuse(constraints, weight, found, constraints_bits_text(constraints->bits, expected, sizeof expected), err);
    }
    if (!constraints_group_fits(constraints, target->group, target->group >= weight->in)) {
        (void)snprintf(found, sizeof found, "groups of %" PRIu64, target->group);
        (void)snprintf(expected, sizeof expected, "a group size of %s", constraints_groups_text(constraints->groups, list, sizeof list));
        return refuse(constraints, weight, found, expected, err);
    }
    const struct {
        uint64_t size;
        uint16_t multiple;
        const char *what;
    } shape[] = {{weight->out, constraints->out_multiple, "output"}, {weight->in, constraints->in_multiple, "input"}};
    for (size_t i = 0; i < 2; i++) {
        if (shape[i].multiple == 0 || shape[i].size % shape[i].multiple == 0)
            continue;
        (void)snprintf(found, sizeof found, "%" PRIu64 " %s channels", shape[i].size, shape[i].what);
        (void)snprintf(expected, sizeof expected, "a multiple of %u", shape[i].multiple);
        return refuse(constraints, weight, found, expected, err);
    }
    if (constraints->scale_dtypes == 0 || (constraints->scale_dtypes >> target->scale_dtype & 1) != 0)
        return STATUS_OK;
    (void)snprintf(found, sizeof found, "scales of %s", dtype_name(target->scale_dtype));
    return refuse(constraints, weight, found, "another dtype", err);
}

enum status constraints_check(const struct constraints *constraints, const struct weight *weight, const struct spec *target,
                              const struct constraints_facts *facts, struct err *err)
{
    if (constraints == NULL)
        return STATUS_OK;
    const bool expert = strstr(weight->name, ".experts.") != NULL, alone = target->activation == ACTIVATION_NONE;
    const struct {
        bool broken;
        const char *found, *expected;
    } rules[] = {
        {alone && !expert && constraints->no_linear, "codes of a Linear layer without int8 activations", "W8A8, or codes in experts only"},
        {alone && expert && constraints->no_experts, "codes of an expert without int8 activations", "W8A8"},
        {constraints->symmetric_only && facts->asymmetric, "asymmetric zeros", "2^(bits-1) everywhere"},
        {constraints->no_zero_at_zero && facts->zero_at_zero, "a zero of 0", "none"},
        {constraints->no_negative_scales && facts->negative_scales, "negative scales", "positive ones"},
        {constraints->no_act_order && facts->act_order, "an activation order (g_idx)", "consecutive groups"},
        {constraints->no_rules && facts->ruled, "a weight that needs a rule of its own", "one width and group size for all, and no float layers"},
    };
    TRY(check_numbers(constraints, weight, target, err));
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].broken)
            return refuse(constraints, weight, rules[i].found, rules[i].expected, err);
    return STATUS_OK;
}
