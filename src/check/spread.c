#include "check/spread.h"

#include <inttypes.h>

void spread_add(struct spread *spread, const char *name)
{
    if (spread->count++ == 0)
        spread->first = name;
}

const char *spread_text(const struct spread *spread, struct subject *subject, struct err *err)
{
    if (spread->count <= 1)
        return spread->first;
    return subject_text(subject, err, "%s and %" PRIu64 " more", spread->first, spread->count - 1);
}
