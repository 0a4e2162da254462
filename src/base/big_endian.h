/* SPDX-License-Identifier: MIT */
/* Numbers in what is stored: the highest byte first. */
#ifndef JB_BASE_BIG_ENDIAN_H
#define JB_BASE_BIG_ENDIAN_H

#include <stdint.h>

static inline void jb__put_number(void *to, uint64_t value, unsigned bytes)
{
    for (uint8_t *p = to; bytes > 0; value >>= 8)
        p[--bytes] = (uint8_t)value;
}

static inline uint64_t jb__get_number(const void *from, unsigned bytes)
{
    const uint8_t *p = from;
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

#endif
