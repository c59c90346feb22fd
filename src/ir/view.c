#include "ir/view.h"

uint64_t view_turned(enum turn turn, uint64_t head, uint64_t row)
{
    if (turn == TURN_NONE)
        return row;
    const uint64_t first = row / head * head, at = row % head, half = head / 2;
    return first + (turn == TURN_TO_PAIRS ? at % 2 * half + at / 2 : at % half * 2 + at / half);
}
