#include "formats/dynamic.h"

#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX 1024 /* each is held against every module */

/* "^a\\.b$" names a.b alone: most rules are of this kind, and a map finds them. False for every other pattern. */
static bool literal(const char *pattern, char *name, size_t *size)
{
    *size = 0;
    if (*pattern++ != '^')
        return false;
    for (; *pattern != '\0' && *pattern != '$'; pattern++) {
        if (*pattern == '\\' && strchr("\\.^$|()[]{}*+?-", pattern[1]) != NULL && pattern[1] != '\0')
            pattern++;
        else if (strchr("\\.^|()[]{}*+?", *pattern) != NULL)
            return false;
        name[(*size)++] = *pattern;
    }
    return pattern[0] == '$' && pattern[1] == '\0';
}

static enum status wrong(const char *where, const char *pattern, const char *member, struct err *err)
{
    return err_set(err, STATUS_CORRUPT, where, "found a wrong value of \"dynamic\"/\"%.200s\"/\"%s\"", pattern, member);
}

static enum status take_members(const struct jsondoc *value, const char *where, struct dynamic_rule *rule, struct err *err)
{
    const char *pattern = jsondoc_name(value);
    const struct jsondoc *bits = jsondoc_get(value, "bits"), *group = jsondoc_get(value, "group_size"), *sym = jsondoc_get(value, "sym");
    const struct jsondoc *desc_act = jsondoc_get(value, "desc_act");
    bool symmetric, unused;
    if (bits != NULL && (!jsondoc_int(bits, &rule->bits) || rule->bits < 2 || rule->bits > 8))
        return wrong(where, pattern, "bits", err);
    if (group != NULL && (!jsondoc_int(group, &rule->group) || rule->group < -1 || rule->group == 0 || rule->group > INT32_MAX))
        return wrong(where, pattern, "group_size", err);
    if (sym != NULL && !jsondoc_bool(sym, &symmetric))
        return wrong(where, pattern, "sym", err);
    if (desc_act != NULL && !jsondoc_bool(desc_act, &unused)) /* the g_idx tells */
        return wrong(where, pattern, "desc_act", err);
    rule->symmetric = sym != NULL ? symmetric : -1;
    return STATUS_OK;
}

static enum status add(struct dynamic *dynamic, const struct jsondoc *value, const char *where, struct err *err)
{
    const char *pattern = jsondoc_name(value);
    struct dynamic_rule rule = {.symmetric = -1};
    uint32_t before;
    size_t size;
    if (jsondoc_kind(value) != JSONDOC_OBJECT)
        return err_set(err, STATUS_CORRUPT, where, "found a value of \"dynamic\"/\"%.200s\" that is no object", pattern);
    if (strncmp(pattern, "-:", 2) == 0)
        return STATUS_OK;
    TRY(take_members(value, where, &rule, err));
    pattern += strncmp(pattern, "+:", 2) == 0 ? 2 : 0;
    char *name = arena_copy(&dynamic->arena, pattern, strlen(pattern), err);
    if (name == NULL)
        return STATUS_LIMIT;
    TRY(mem_grow((void **)&dynamic->rule, &dynamic->capacity, dynamic->count + 1, sizeof *dynamic->rule, err));
    if (literal(pattern, name, &size)) {
        TRY(map_add(&dynamic->names, (struct slice){name, size}, (uint32_t)dynamic->count, &before, err)); /* a second one never comes first */
    } else {
        if (dynamic->pattern_count++ == PATTERNS_MAX)
            return err_set(err, STATUS_LIMIT, where, "found more than %d patterns in \"dynamic\"", PATTERNS_MAX);
        TRY(regex_compile(&rule.regex, slice_of(pattern), where, STATUS_CORRUPT, err));
    }
    dynamic->rule[dynamic->count++] = rule;
    return STATUS_OK;
}

enum status dynamic_read(struct dynamic *dynamic, const struct jsondoc *config, const char *where, struct err *err)
{
    const struct jsondoc *rules = jsondoc_get(config, "dynamic");
    if (rules == NULL || jsondoc_kind(rules) == JSONDOC_NULL)
        return STATUS_OK;
    if (jsondoc_kind(rules) != JSONDOC_OBJECT)
        return err_set(err, STATUS_CORRUPT, where, "found a \"dynamic\" that is no object");
    for (const struct jsondoc *value = jsondoc_first(rules); value != NULL; value = jsondoc_next(value))
        TRY(add(dynamic, value, where, err));
    return STATUS_OK;
}

enum status dynamic_find(const struct dynamic *dynamic, const char *module, const struct dynamic_rule **rule, struct err *err)
{
    const uint32_t named = map_find(&dynamic->names, slice_of(module));
    *rule = named == MAP_NONE ? NULL : &dynamic->rule[named];
    for (size_t r = 0; dynamic->pattern_count > 0 && r < dynamic->count && r < named; r++) {
        bool found = false;
        if (dynamic->rule[r].regex != NULL)
            TRY(regex_match(dynamic->rule[r].regex, slice_of(module), &found, err));
        if (!found)
            continue;
        *rule = &dynamic->rule[r];
        return STATUS_OK;
    }
    return STATUS_OK;
}

void dynamic_free(struct dynamic *dynamic)
{
    for (size_t r = 0; r < dynamic->count; r++)
        regex_free(dynamic->rule[r].regex);
    free(dynamic->rule);
    map_free(&dynamic->names);
    arena_free(&dynamic->arena);
    *dynamic = (struct dynamic){0};
}
