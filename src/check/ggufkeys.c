#include "check/ggufkeys.h"

#include "base/le.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned bit;
} families[] = {{"llama", GGUFKEYS_LLAMA}, {"qwen2", GGUFKEYS_QWEN2}, {"qwen2moe", GGUFKEYS_QWEN2MOE}, {"qwen3", GGUFKEYS_QWEN3},
                {"qwen3moe", GGUFKEYS_QWEN3MOE}, {"gemma", GGUFKEYS_GEMMA}, {"gemma2", GGUFKEYS_GEMMA2}, {"gemma3", GGUFKEYS_GEMMA3},
                {"phi3", GGUFKEYS_PHI3}, {"gpt-oss", GGUFKEYS_GPTOSS}};

unsigned ggufkeys_family(const char *arch)
{
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        if (strcmp(families[f].name, arch) == 0)
            return families[f].bit;
    return 0;
}

bool ggufkeys_text(const struct ggufset *set, const char *key, char *text, size_t size)
{
    const struct ggufile_value *value = ggufset_value(set, key);
    text[0] = '\0';
    if (value == NULL || value->kind != GGUFILE_STRING)
        return false;
    (void)snprintf(text, size, "%.*s", value->bytes < size ? (int)value->bytes : (int)size, (const char *)value->data);
    return true;
}

bool ggufkeys_other(const struct ggufset *set, char type[GGUFKEYS_ARCH_BYTES_MAX])
{
    static const char *const others[] = {"adapter", "imatrix", "mmproj"};
    if (!set->file[0].present || !ggufkeys_text(set, "general.type", type, GGUFKEYS_ARCH_BYTES_MAX))
        return false;
    for (size_t o = 0; o < sizeof others / sizeof others[0]; o++)
        if (strcmp(others[o], type) == 0)
            return true;
    return false;
}

bool ggufkeys_model(const struct ggufset *set, char arch[GGUFKEYS_ARCH_BYTES_MAX])
{
    char type[GGUFKEYS_ARCH_BYTES_MAX];
    return set->file[0].present && !ggufkeys_other(set, type) && ggufkeys_text(set, "general.architecture", arch, GGUFKEYS_ARCH_BYTES_MAX) &&
           strcmp(arch, "clip") != 0;
}

const struct ggufile_value *ggufkeys_find(const struct ggufset *set, const char *arch, const char *suffix)
{
    char key[GGUFKEYS_ARCH_BYTES_MAX + 80];
    (void)snprintf(key, sizeof key, "%s.%s", arch, suffix);
    return ggufset_value(set, key);
}

uint64_t ggufkeys_number(const struct ggufset *set, const char *arch, const char *suffix, uint64_t otherwise)
{
    const struct ggufile_value *value = ggufkeys_find(set, arch, suffix);
    if (value == NULL)
        return otherwise;
    return value->kind == GGUFILE_U32 ? le_load32(value->data) : GGUFKEYS_UNKNOWN;
}
