#include "container/ggufile.h"

static const struct {
    const char *word;
    uint8_t bytes;
} kinds[] = {
#define X(name, word, bytes) [GGUFILE_##name] = {word, bytes},
    GGUFILE_KINDS(X)
#undef X
};
_Static_assert(sizeof kinds / sizeof kinds[0] == GGUFILE_KIND_COUNT && GGUFILE_F64 == 12, "one row a type");

const char *ggufile_kind_name(enum ggufile_kind kind)
{
    return (unsigned)kind < GGUFILE_KIND_COUNT ? kinds[kind].word : "unknown";
}

unsigned ggufile_kind_bytes(enum ggufile_kind kind)
{
    return (unsigned)kind < GGUFILE_KIND_COUNT ? kinds[kind].bytes : 0;
}
