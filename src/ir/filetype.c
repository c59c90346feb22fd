#include "ir/filetype.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    enum filetype filetype;
    enum ggml_type type;
} rows[] = {
#define X(id, name, text, type) {text, FILETYPE_##name, GGML_##type},
#include "ir/filetype.def"
#undef X
};

/* Further names (ggml-org/llama.cpp:tools/quantize/quantize.cpp). */
static const struct {
    const char *name;
    enum filetype filetype;
} aliases[] = {{"Q3_K", FILETYPE_Q3_K_M}, {"Q4_K", FILETYPE_Q4_K_M}, {"Q5_K", FILETYPE_Q5_K_M}};

const char *filetype_name(enum filetype filetype)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].filetype == filetype)
            return rows[i].name;
    return "none";
}

enum ggml_type filetype_type(enum filetype filetype)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].filetype == filetype)
            return rows[i].type;
    return GGML_COUNT;
}

static bool same(struct slice name, const char *text)
{
    return strlen(text) == name.size && strncasecmp(text, name.data, name.size) == 0;
}

enum filetype filetype_find(struct slice name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (same(name, rows[i].name))
            return rows[i].filetype;
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (same(name, aliases[i].name))
            return aliases[i].filetype;
    return FILETYPE_NONE;
}

enum filetype filetype_of(enum ggml_type type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, ggml_name(type)) == 0)
            return rows[i].filetype;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == type)
            return rows[i].filetype;
    return FILETYPE_NONE;
}
