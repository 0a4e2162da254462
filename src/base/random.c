/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include "base/assert.h"

#include <errno.h>
#include <sys/random.h>

void jb__random(void *out, size_t n)
{
    char *p = out;

    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        jb_assert(got > 0);
        p += got;
        n -= (size_t)got;
    }
}

void jb__random_id(char out[JB__RANDOM_ID_BYTES + 1])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char raw[JB__RANDOM_ID_BYTES];

    jb__random(raw, sizeof raw);
    for (int i = 0; i < JB__RANDOM_ID_BYTES; i++)
        out[i] = letters[raw[i] & 31];
    out[JB__RANDOM_ID_BYTES] = '\0';
}
