/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* The log sink: one of the four things that threads share.  The settings are atomics, the tap has
 * a lock because it may be taken away while a line is being handed to it. */
static _Atomic int log_level = JB_LOG_INFO;
static _Atomic int log_format = JB_LOG_TEXT;
static _Atomic int log_fd = 2;
static pthread_mutex_t tap_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*tap_fn)(void *ctx, struct jb_str line);
static void *tap_ctx;

struct line {
    char bytes[JB_LOG_LINE_BYTES];
    size_t n;
};

void jb_log_config(enum jb_log_level level, enum jb_log_format format, int fd)
{
    log_level = (int) level;
    log_format = (int) format;
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
    return (int) level >= log_level;
}

static void put(struct line *l, const char *p, size_t n)
{
    size_t room = sizeof l->bytes - 4 - l->n; /* what closes the line always fits */

    if (n > room)
        n = room;
    memcpy(l->bytes + l->n, p, n);
    l->n += n;
}

static void putz(struct line *l, const char *z)
{
    put(l, z, strlen(z));
}

/* Escapes as JSON does; the text format uses the same, so that one line stays one line. */
static void put_escaped(struct line *l, struct jb_str s)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char) s.p[i];
        if (c == '"' || c == '\\') {
            put(l, (char[]){ '\\', (char) c }, 2);
        } else if (c < 0x20 || c == 0x7f) {
            put(l, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
        } else {
            put(l, &s.p[i], 1);
        }
    }
}

static bool needs_quotes(struct jb_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char) s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == 0x7f)
            return true;
    return s.n == 0;
}

static void format_text(struct line *l, const char *stamp, const char *level, const char *message,
                        const struct jb_log_field *fields, size_t count)
{
    putz(l, stamp);
    putz(l, level);
    putz(l, message);
    for (size_t i = 0; i < count; i++) {
        bool quote = needs_quotes(fields[i].value);
        putz(l, " ");
        putz(l, fields[i].name);
        putz(l, quote ? "=\"" : "=");
        put_escaped(l, fields[i].value);
        putz(l, quote ? "\"" : "");
    }
    l->bytes[l->n++] = '\n';
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
    for (size_t i = 0; i < count; i++) {
        putz(l, "\",\"");
        putz(l, fields[i].name);
        putz(l, "\":\"");
        put_escaped(l, fields[i].value);
    }
    memcpy(l->bytes + l->n, "\"}\n", 3);
    l->n += 3;
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
    (void) ignored;
    pthread_mutex_lock(&tap_lock);
    if (tap_fn)
        tap_fn(tap_ctx, jb_str(l.bytes, l.n));
    pthread_mutex_unlock(&tap_lock);
}
