/* SPDX-License-Identifier: MIT */
/* A line is: time, tab, < or > (to us, from us), tab, address, tab, text.  In the text a newline is
 * \n, a tab \t, a backslash \\ . */
#include "cli/chat_log.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAIL_BYTES = 256 * 1024, REPLAY_MOST = 20 };

void chat_log_open(struct chat_log *log, const char *jid)
{
    char name[CLI_DATA_BYTES], path[CLI_DATA_BYTES];
    size_t n = strcspn(jid, "/");

    log->file = NULL;
    snprintf(name, sizeof name, "chat-%.*s.log", (int)n, jid);
    if (!state_path(name, path, sizeof path))
        return;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* One from before may have been made readable by accident. */
    if (fd >= 0 && fchmod(fd, 0600) == 0)
        log->file = fdopen(fd, "a+");
    if (log->file)
        return;
    cli_fail(CLI_IO, "%s: %s (what is said is not kept)", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

void chat_log_close(struct chat_log *log)
{
    if (log->file && fclose(log->file) != 0)
        cli_fail(CLI_IO, "the history could not be written: %s", strerror(errno));
    log->file = NULL;
}

static void put_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", to);
        else if (*text == '\t')
            fputs("\\t", to);
        else if (*text == '\\')
            fputs("\\\\", to);
        else
            fputc(*text, to);
    }
}

void chat_log_add(struct chat_log *log, int64_t time_us, bool ours, const char *peer,
                  const char *text)
{
    char stamp[JB__STAMP_BYTES + 1];

    if (!log->file)
        return;
    jb__clock_stamp(time_us, stamp);
    fprintf(log->file, "%s\t%c\t%s\t", stamp, ours ? '>' : '<', peer);
    put_escaped(log->file, text);
    fputc('\n', log->file);
    if (fflush(log->file) == 0)
        return;
    cli_fail(CLI_IO, "the history cannot be written: %s", strerror(errno));
    fclose(log->file);
    log->file = NULL;
}

/* In place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from == '\\' && from[1]) {
            from++;
            *to++ = (char)(*from == 'n' ? '\n' : *from == 't' ? '\t' : *from);
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

struct entry {
    int64_t time_us;
    bool ours;
    char *text;
};

/* Whether a line is of a talk with `peer`; cuts it in place. */
static bool read_entry(char *line, const char *peer, struct entry *out)
{
    char *fields[4] = { line };

    for (int k = 1; k < 4; k++) {
        char *tab = strchr(fields[k - 1], '\t');
        if (!tab)
            return false;
        *tab = '\0';
        fields[k] = tab + 1;
    }
    if (strcmp(fields[2], peer) != 0 || !jb__clock_parse_stamp(jb_strz(fields[0]), &out->time_us))
        return false;
    out->ours = fields[1][0] == '>';
    unescape(fields[3]);
    out->text = fields[3];
    return true;
}

/* The end of the file with a NUL behind it; the caller's. */
static char *read_tail(FILE *file)
{
    struct stat st;

    if (fstat(fileno(file), &st) != 0)
        return NULL;
    off_t from = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
    char *text = jb_alloc(&jb_allocator_libc, TAIL_BYTES + 1);
    if (!text)
        return NULL;
    ssize_t n = pread(fileno(file), text, TAIL_BYTES, from);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

void chat_log_replay(struct chat_log *log, const char *peer, size_t most, chat_log_visit *visit,
                     void *ctx)
{
    struct entry last[REPLAY_MOST] = { { 0 } };
    size_t count = 0;
    char *text = log->file ? read_tail(log->file) : NULL;

    most = most < REPLAY_MOST ? most : REPLAY_MOST;
    for (char *line = text, *end; line && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (read_entry(line, peer, &last[count % most]))
            count++;
    }
    for (size_t k = count > most ? count - most : 0; k < count; k++) {
        const struct entry *e = &last[k % most];
        visit(ctx, e->time_us, e->ours, e->text);
    }
    jb_free(&jb_allocator_libc, text);
}
