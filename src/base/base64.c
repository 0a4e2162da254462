/* SPDX-License-Identifier: MIT */
#include "base/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t jb__base64_encode(const void *data, size_t n, char *out)
{
    const unsigned char *p = data;
    char *o = out;

    for (; n >= 3; n -= 3, p += 3) {
        *o++ = letters[p[0] >> 2];
        *o++ = letters[(p[0] & 3) << 4 | p[1] >> 4];
        *o++ = letters[(p[1] & 15) << 2 | p[2] >> 6];
        *o++ = letters[p[2] & 63];
    }
    if (n) {
        *o++ = letters[p[0] >> 2];
        *o++ = letters[(p[0] & 3) << 4 | (n == 2 ? p[1] >> 4 : 0)];
        *o++ = n == 2 ? letters[(p[1] & 15) << 2] : '=';
        *o++ = '=';
    }
    return (size_t)(o - out);
}

static int value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

bool jb__base64_decode(struct jb_str text, void *out, size_t *n)
{
    unsigned char *o = out;

    *n = 0;
    if (text.n % 4)
        return false;
    for (size_t i = 0; i < text.n; i += 4) {
        int v[4];
        int pad = 0;
        if (i + 4 == text.n)
            pad = (text.p[i + 3] == '=') + (text.p[i + 3] == '=' && text.p[i + 2] == '=');
        for (int j = 0; j < 4; j++)
            v[j] = j >= 4 - pad ? 0 : value(text.p[i + (size_t)j]);
        if (v[0] < 0 || v[1] < 0 || v[2] < 0 || v[3] < 0)
            return false;
        if ((pad == 2 && (v[1] & 15)) || (pad == 1 && (v[2] & 3)))
            return false;
        unsigned word =
            (unsigned)v[0] << 18 | (unsigned)v[1] << 12 | (unsigned)v[2] << 6 | (unsigned)v[3];
        for (int j = 0; j < 3 - pad; j++)
            *o++ = (unsigned char)(word >> (16 - 8 * j));
    }
    *n = (size_t)(o - (unsigned char *)out);
    return true;
}
