/* SPDX-License-Identifier: MIT */
#include "cli/bench/marker.h"

static const char begin[] = "jbm.";
enum {
    BEGIN_BYTES = sizeof begin - 1,
    RUN_AT = BEGIN_BYTES,
    SENDER_AT = RUN_AT + 9,
    SERIAL_AT = SENDER_AT + 9,
    DUE_AT = SERIAL_AT + 9,
};

static void put_hex(char *p, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value >>= 4)
        p[i] = "0123456789abcdef"[value & 15];
}

/* False when one of them is no digit. */
static bool take_hex(const char *p, int digits, uint64_t *value)
{
    static const uint8_t worth[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    };
    uint64_t sum = 0;
    bool good = true;

    for (int i = 0; i < digits; i++) {
        uint8_t w = worth[(uint8_t)p[i]];
        good &= w != 0;
        sum = sum << 4 | (uint64_t)(w - 1);
    }
    *value = sum;
    return good;
}

void marker_write(char out[MARKER_BYTES], const struct marker *m)
{
    memcpy(out, begin, BEGIN_BYTES);
    put_hex(out + RUN_AT, m->run, 8);
    out[SENDER_AT - 1] = '.';
    put_hex(out + SENDER_AT, m->sender, 8);
    out[SERIAL_AT - 1] = '.';
    out[DUE_AT - 1] = '.';
    marker_renew(out, m->serial, m->due_ns);
}

void marker_renew(char mark[MARKER_BYTES], uint32_t serial, uint64_t due_ns)
{
    put_hex(mark + SERIAL_AT, serial, 8);
    put_hex(mark + DUE_AT, due_ns, 16);
}

static bool read_at(const char *p, struct marker *m)
{
    uint64_t run, sender, serial;

    if (memcmp(p, begin, BEGIN_BYTES) != 0 || p[SENDER_AT - 1] != '.' || p[SERIAL_AT - 1] != '.' ||
        p[DUE_AT - 1] != '.' || !take_hex(p + RUN_AT, 8, &run) ||
        !take_hex(p + SENDER_AT, 8, &sender) || !take_hex(p + SERIAL_AT, 8, &serial) ||
        !take_hex(p + DUE_AT, 16, &m->due_ns))
        return false;
    m->run = (uint32_t)run;
    m->sender = (uint32_t)sender;
    m->serial = (uint32_t)serial;
    return true;
}

bool marker_find(struct jb_str text, uint32_t *hint, struct marker *m)
{
    if (text.n >= MARKER_BYTES && *hint <= text.n - MARKER_BYTES && read_at(text.p + *hint, m))
        return true;
    for (size_t at = 0; text.n >= MARKER_BYTES && at <= text.n - MARKER_BYTES;) {
        const char *p =
            memmem(text.p + at, text.n - at - MARKER_BYTES + BEGIN_BYTES, begin, BEGIN_BYTES);
        if (!p)
            return false;
        at = (size_t)(p - text.p);
        if (read_at(p, m)) {
            *hint = (uint32_t)at;
            return true;
        }
        at++;
    }
    return false;
}
