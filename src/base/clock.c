/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "base/assert.h"

#include <stdio.h>
#include <time.h>

#ifdef JABIRU_TEST_HOOKS
static _Atomic uint64_t ahead_ms; /* of the machine's clocks */
static _Atomic int64_t step_ms;   /* of its wall clock alone */

void jb__clock_advance_ms(uint64_t ms)
{
    ahead_ms += ms;
}

void jb__clock_step_ms(int64_t ms)
{
    step_ms += ms;
}
#else
enum { ahead_ms = 0, step_ms = 0 };
#endif

uint64_t jb__clock_mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 + ahead_ms;
}

int64_t jb__clock_wall_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 +
           ((int64_t)ahead_ms + step_ms) * 1000;
}

void jb__clock_stamp(int64_t wall_us, char out[JB__STAMP_BYTES + 1])
{
    int64_t fraction = wall_us % 1000000;
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;

    if (fraction < 0) {
        fraction += 1000000;
        seconds--;
    }
    if (!gmtime_r(&seconds, &tm) || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0) {
        memset(&tm, 0, sizeof tm);
        tm.tm_mday = 1;
        tm.tm_year = 70;
    }
    size_t n = strftime(out, JB__STAMP_BYTES + 1, "%Y-%m-%dT%H:%M:%S", &tm);
    jb_assert(n == 19);
    snprintf(out + n, JB__STAMP_BYTES + 1 - n, ".%06dZ", (int)fraction);
}

/* Reads exactly `digits` digits at *s and moves on. */
static bool take_number(struct jb_str *s, int digits, int max, int *out)
{
    uint64_t v;

    if (s->n < (size_t)digits || !jb_str_u64(jb_str(s->p, (size_t)digits), (uint64_t)max, &v))
        return false;
    *s = jb_str_from(*s, (size_t)digits);
    *out = (int)v;
    return true;
}

static bool take_char(struct jb_str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = jb_str_from(*s, 1);
    return true;
}

/* ".123" as microseconds; digits past the sixth are dropped. */
static bool take_fraction(struct jb_str *s, int64_t *us)
{
    int64_t scale = 100000;
    size_t digits = 0;

    *us = 0;
    if (!take_char(s, '.'))
        return true;
    for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; digits++, scale /= 10) {
        *us += (s->p[0] - '0') * scale;
        *s = jb_str_from(*s, 1);
    }
    return digits > 0;
}

static bool take_zone(struct jb_str *s, int *minutes)
{
    int h, m, sign;

    *minutes = 0;
    if (take_char(s, 'Z'))
        return true;
    sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
    if (!sign || !take_number(s, 2, 14, &h) || !take_char(s, ':') || !take_number(s, 2, 59, &m))
        return false;
    *minutes = sign * (h * 60 + m);
    return true;
}

bool jb__clock_parse_stamp(struct jb_str s, int64_t *wall_us)
{
    struct tm tm = { 0 };
    int64_t us;
    int zone;

    if (!take_number(&s, 4, 9999, &tm.tm_year) || !take_char(&s, '-') ||
        !take_number(&s, 2, 12, &tm.tm_mon) || !take_char(&s, '-') ||
        !take_number(&s, 2, 31, &tm.tm_mday) || !take_char(&s, 'T') ||
        !take_number(&s, 2, 23, &tm.tm_hour) || !take_char(&s, ':') ||
        !take_number(&s, 2, 59, &tm.tm_min) || !take_char(&s, ':') ||
        !take_number(&s, 2, 60, &tm.tm_sec) || !take_fraction(&s, &us) || !take_zone(&s, &zone))
        return false;
    if (s.n || tm.tm_mon == 0 || tm.tm_mday == 0)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    struct tm day = { .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday };
    timegm(&day);
    if (day.tm_mday != tm.tm_mday) /* the 30th of February */
        return false;
    *wall_us = (timegm(&tm) - zone * 60) * 1000000 + us;
    return true;
}
