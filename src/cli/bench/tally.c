/* SPDX-License-Identifier: MIT */
#include "cli/bench/tally.h"

enum tally_verdict tally_see(struct tally *t, uint32_t serial)
{
    if (serial >= t->next) {
        uint32_t ahead = serial - t->next + 1;
        t->before = ahead < TALLY_SPAN ? t->before << ahead | 1 : 1;
        t->next = serial + 1;
        return TALLY_GOOD;
    }
    uint32_t behind = t->next - 1 - serial;
    if (behind >= TALLY_SPAN || (t->before >> behind & 1))
        return TALLY_TWICE;
    t->before |= (uint64_t)1 << behind;
    return TALLY_DISORDER;
}
