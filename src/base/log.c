/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* The log sink: one of the four things that threads share.  The settings are atomics, the tap has
 * a lock because it may be taken away while a line is being handed to it. */
static _Atomic int log_level = JB_LOG_INFO;
static _Atomic int log_format = JB_LOG_TEXT;
static _Atomic int log_fd = 2;
static pthread_mutex_t tap_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*tap_fn)(void *ctx, struct jb_str line);
static void *tap_ctx;

/* A line being made.  What is put is put whole or not at all, and nothing follows what did not fit:
 * a cut line is still well-formed. */
struct line {
    char bytes[JB_LOG_LINE_BYTES];
    size_t n;
    bool full;
};

enum { CLOSING_BYTES = 4 }; /* always left for what ends a line */

void jb_log_config(enum jb_log_level level, enum jb_log_format format, int fd)
{
    log_level = (int)level;
    log_format = (int)format;
    log_fd = fd;
}

void jb_log_tap(void (*tap)(void *ctx, struct jb_str line), void *ctx)
{
    pthread_mutex_lock(&tap_lock);
    tap_fn = tap;
    tap_ctx = ctx;
    pthread_mutex_unlock(&tap_lock);
}

bool jb_log_enabled(enum jb_log_level level)
{
    return (int)level >= log_level;
}

static void put(struct line *l, const char *p, size_t n)
{
    if (n > sizeof l->bytes - CLOSING_BYTES - l->n)
        l->full = true;
    if (l->full)
        return;
    memcpy(l->bytes + l->n, p, n);
    l->n += n;
}

static void putz(struct line *l, const char *z)
{
    put(l, z, strlen(z));
}

/* Uses the bytes that put() leaves. */
static void close_line(struct line *l, const char *z)
{
    size_t n = strlen(z);

    memcpy(l->bytes + l->n, z, n);
    l->n += n;
}

/* The start of a field, whole: a name without a value would not be JSON. */
static void put_name(struct line *l, const char *before, const char *name, const char *behind)
{
    char head[128];
    int n = snprintf(head, sizeof head, "%s%s%s", before, name, behind);

    jb_assert(n > 0 && (size_t)n < sizeof head);
    put(l, head, (size_t)n);
}

/* Bytes of the code point at s.p; 0 when it is not UTF-8. */
static size_t code_point_bytes(struct jb_str s)
{
    jb__utf8_state state = JB__UTF8_OK;
    size_t n = 0;

    do
        state = jb__utf8_check(state, s.p + n++, 1);
    while (n < s.n && state != JB__UTF8_OK && state != JB__UTF8_BAD);
    return state == JB__UTF8_OK ? n : 0;
}

/* What a terminal acts on instead of showing it: controls (C0, DEL, C1), line separators, and what
 * turns the direction of the text around. */
static bool is_control(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x061c || cp == 0x200e ||
           cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

/* Escapes as JSON does; the text format uses the same, so that one line stays one line.  A byte
 * that is not UTF-8 becomes U+FFFD. */
static void put_escaped(struct line *l, struct jb_str s)
{
    while (s.n && !l->full) {
        size_t n = code_point_bytes(s);
        uint32_t cp = n ? jb__utf8_decode(s, &n) : 0xfffd;
        if (n == 0) {
            put(l, "\xef\xbf\xbd", 3);
            n = 1;
        } else if (cp == '"' || cp == '\\') {
            put(l, (char[]){ '\\', (char)cp }, 2);
        } else if (is_control(cp)) {
            char escape[7];
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(cp & 0xffff));
            put(l, escape, 6);
        } else {
            put(l, s.p, n);
        }
        s = jb_str_from(s, n);
    }
}

static bool needs_quotes(struct jb_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == 0x7f)
            return true;
    return s.n == 0;
}

static void format_text(struct line *l, const char *stamp, const char *level, const char *message,
                        const struct jb_log_field *fields, size_t count)
{
    bool open = false; /* a quote */

    putz(l, stamp);
    putz(l, level);
    putz(l, message);
    for (size_t i = 0; i < count && !l->full; i++) {
        bool quote = needs_quotes(fields[i].value);
        put_name(l, " ", fields[i].name, quote ? "=\"" : "=");
        open = quote && !l->full;
        put_escaped(l, fields[i].value);
        if (open && !l->full) {
            putz(l, "\"");
            open = l->full;
        }
    }
    close_line(l, open ? "\"\n" : "\n");
}

static void format_json(struct line *l, const char *stamp, const char *level, const char *message,
                        const struct jb_log_field *fields, size_t count)
{
    putz(l, "{\"time\":\"");
    putz(l, stamp);
    putz(l, "\",\"level\":\"");
    putz(l, level);
    putz(l, "\",\"message\":\"");
    put_escaped(l, jb_strz(message));
    for (size_t i = 0; i < count && !l->full; i++) {
        put_name(l, "\",\"", fields[i].name, "\":\"");
        put_escaped(l, fields[i].value);
    }
    close_line(l, "\"}\n");
}

void jb_log_write(enum jb_log_level level, const char *message, const struct jb_log_field *fields,
                  size_t count)
{
    static const char *const text_levels[] = { " debug ", " info  ", " warn  ", " error " };
    static const char *const json_levels[] = { "debug", "info", "warn", "error" };
    char stamp[JB__STAMP_BYTES + 1];
    struct line l = { .n = 0 };

    jb__clock_stamp(jb__clock_wall_us(), stamp);
    if (log_format == JB_LOG_JSON)
        format_json(&l, stamp, json_levels[level], message, fields, count);
    else
        format_text(&l, stamp, text_levels[level], message, fields, count);
    /* A log that cannot be written has nowhere to be reported. */
    ssize_t ignored = write(log_fd, l.bytes, l.n);
    (void)ignored;
    pthread_mutex_lock(&tap_lock);
    if (tap_fn)
        tap_fn(tap_ctx, jb_str(l.bytes, l.n));
    pthread_mutex_unlock(&tap_lock);
}
