/* SPDX-License-Identifier: MIT */
#include "server/session_count.h"

const struct jb_str session_count_store = JB_STR_INIT("sm");

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0) {
        to[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t get(const char *from, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | (uint8_t)from[i];
    return value;
}

void session_count_encode(const struct session_count *count, uint8_t bytes[SESSION_COUNT_BYTES])
{
    put(bytes, count->h, 4);
    put(bytes + 4, (uint64_t)count->at_us, 8);
}

bool session_count_decode(struct jb_str bytes, struct session_count *count)
{
    if (bytes.n != SESSION_COUNT_BYTES)
        return false;
    count->h = (uint32_t)get(bytes.p, 4);
    count->at_us = (int64_t)get(bytes.p + 4, 8);
    return true;
}
