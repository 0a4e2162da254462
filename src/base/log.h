/* SPDX-License-Identifier: MIT */
/* Log lines: a level, a plain-word message, and named fields.
 *
 *     jb_log(JB_LOG_INFO, "stream closed", JB_F("jid", jid), JB_F("reason", words));
 *
 * One line each, as text or JSON, written with one write(2): lines of several threads never mix.
 * Values are escaped (CR, LF, ESC, C1, direction overrides and other controls never reach the
 * terminal) and made valid UTF-8.  Names are short words of ours, messages too.
 * Secrets do not belong into a field: nothing here can know what is one. */
#ifndef JB_BASE_LOG_H
#define JB_BASE_LOG_H

#include "base/str.h"

enum jb_log_level { JB_LOG_DEBUG, JB_LOG_INFO, JB_LOG_WARN, JB_LOG_ERROR };
enum jb_log_format { JB_LOG_TEXT, JB_LOG_JSON };

struct jb_log_field {
    const char *name; /* NULL ends a list */
    struct jb_str value;
};

#define JB_F(name, slice) ((struct jb_log_field){ (name), (slice) })
#define JB_FZ(name, cstr) ((struct jb_log_field){ (name), jb_strz(cstr) })

enum { JB_LOG_LINE_BYTES = 4096 }; /* longer lines are cut, and stay well-formed; <= PIPE_BUF */

/* Set before threads start, or at any time by one thread; defaults: INFO, TEXT, descriptor 2. */
void jb_log_config(enum jb_log_level level, enum jb_log_format format, int fd);
/* Also called with each finished line (the `admin log` follower); NULL for none.  The tap is called
 * on the logging thread and must not log. */
void jb_log_tap(void (*tap)(void *ctx, struct jb_str line), void *ctx);
bool jb_log_enabled(enum jb_log_level level);

void jb_log_write(enum jb_log_level level, const char *message, const struct jb_log_field *fields,
                  size_t count);

#define jb_log(level, message, ...)                                          \
    do {                                                                     \
        if (jb_log_enabled(level)) {                                         \
            const struct jb_log_field jb_fields_[] = { { 0 }, __VA_ARGS__ }; \
            jb_log_write(level, message, jb_fields_ + 1,                     \
                         sizeof jb_fields_ / sizeof jb_fields_[0] - 1);      \
        }                                                                    \
    } while (0)

#endif
