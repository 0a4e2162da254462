/* SPDX-License-Identifier: MIT */
#include "server/session_count.h"

#include "base/big_endian.h"
#include "server/store_unit.h"

const struct jb_str session_count_store = JB_STR_INIT("sm");

void session_count_encode(const struct session_count *count, uint8_t bytes[SESSION_COUNT_BYTES])
{
    jb__put_number(bytes, count->h, 4);
    jb__put_number(bytes + 4, (uint64_t)count->at_us, 8);
}

bool session_count_decode(struct jb_str bytes, struct session_count *count)
{
    if (bytes.n != SESSION_COUNT_BYTES)
        return false;
    count->h = (uint32_t)jb__get_number(bytes.p, 4);
    count->at_us = (int64_t)jb__get_number(bytes.p + 4, 8);
    return true;
}

void session_count_write(struct store_unit *unit, struct jb_str owner,
                         const struct session_counter *counter, uint32_t number, int64_t now_us)
{
    const struct session_count count = { .h = number - counter->base, .at_us = now_us };
    uint8_t bytes[SESSION_COUNT_BYTES];

    session_count_encode(&count, bytes);
    store_unit_kv_put(unit, owner, session_count_store,
                      jb_str((const char *)counter->key, sizeof counter->key),
                      jb_str((const char *)bytes, sizeof bytes));
}
