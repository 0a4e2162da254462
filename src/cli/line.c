/* SPDX-License-Identifier: MIT */
#include "cli/line.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/show.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_BYTES = 64 * 1024, PROMPT_BYTES = 128, HISTORY_LINES = 1000 };

struct line {
    EditLine *edit; /* NULL: no terminal */
    History *history;
    const char *file;
    char prompt[PROMPT_BYTES];
    bool editing, hidden;
    bool ended; /* no more input */

    /* While line_next waits. */
    struct account *account;
    line_on_event *on_event;
    void *ctx;

    /* Without a terminal: what was read, and where the next line begins. */
    struct jb__buf in;
    size_t used;
};

/* -- The edited line on the screen ------------------------------------------------------------ */

static int columns(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

/* Screen columns of a text, as libedit counts them. */
static int width_of(const wchar_t *from, const wchar_t *to)
{
    int width = 0;

    for (; from < to; from++) {
        int w = wcwidth(*from);
        width += w < 0 ? 2 : w; /* ^X */
    }
    return width;
}

static int prompt_width(const struct line *l)
{
    wchar_t wide[PROMPT_BYTES];
    size_t n = mbstowcs(wide, l->prompt, PROMPT_BYTES);

    return n == (size_t)-1 ? (int)strlen(l->prompt) : width_of(wide, wide + n);
}

/* The cursor may stand some rows below the prompt: a long line is wrapped. */
void line_hide(struct line *l)
{
    if (!l->editing || l->hidden)
        return;
    const LineInfoW *info = el_wline(l->edit);
    int row = (prompt_width(l) + width_of(info->buffer, info->cursor)) / columns();
    if (row > 0)
        printf("\033[%dA", row);
    fputs("\r\033[J", stdout);
    l->hidden = true;
}

void line_show(struct line *l)
{
    fflush(stdout);
    if (!l->hidden)
        return;
    l->hidden = false;
    el_set(l->edit, EL_REFRESH);
}

/* -- Reading characters ----------------------------------------------------------------------- */

/* ^Z: the shell gets its terminal as it was. */
static void stop(struct line *l)
{
    line_hide(l);
    fflush(stdout);
    el_set(l->edit, EL_PREP_TERM, 0);
    raise(SIGSTOP);
    el_set(l->edit, EL_PREP_TERM, 1);
    line_show(l);
}

/* False: it is a wish to end. */
static bool on_signal(struct line *l, int signal)
{
    if (signal == SIGWINCH && l->edit) {
        el_resize(l->edit);
        return true;
    }
    if (signal == SIGTSTP && l->edit) {
        stop(l);
        return true;
    }
    return false;
}

/* Waits until there is input; false: line_next is to end. */
static bool wait_for_input(struct line *l)
{
    const struct jb_event *ev;

    for (;;) {
        switch (account_wait(l->account, STDIN_FILENO, UINT64_MAX, &ev)) {
        case ACCOUNT_INPUT:
            return true;
        case ACCOUNT_EVENT:
            if (!l->on_event(l->ctx, ev))
                return false;
            break;
        case ACCOUNT_SIGNAL:
            if (!on_signal(l, l->account->signal))
                return false;
            break;
        case ACCOUNT_TIME:
        case ACCOUNT_OVER:
            return false;
        }
    }
}

/* libedit asks for a character: 1, or 0 at the end. */
static int get_character(EditLine *edit, wchar_t *out)
{
    struct line *l;
    mbstate_t state = { 0 };
    char byte;

    el_get(edit, EL_CLIENTDATA, &l);
    for (;;) {
        if (!wait_for_input(l))
            break;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            break;
        size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == 1 || used == 0)
            return 1;
        if (used == (size_t)-1)
            state = (mbstate_t){ 0 }; /* not UTF-8: passed over */
    }
    l->ended = true;
    return 0;
}

/* -- Lines ------------------------------------------------------------------------------------ */

static void remember(struct line *l, const char *text)
{
    HistEvent event;

    if (text[0])
        history(l->history, &event, H_ENTER, text);
}

static const char *edit_line(struct line *l)
{
    int n = 0;

    if (l->ended)
        return NULL;
    l->editing = true;
    const char *text = el_gets(l->edit, &n);
    l->editing = l->hidden = false;
    if (!text || n <= 0 || l->ended) {
        l->ended = true;
        puts("");
        return NULL;
    }
    l->in.n = 0;
    n -= text[n - 1] == '\n';
    if (jb__buf_append(&l->in, text, (size_t)n) != 0 || jb__buf_append(&l->in, "", 1) != 0)
        return "";
    remember(l, l->in.p);
    return l->in.p;
}

/* One more part of the input; false: there is none. */
static bool read_part(struct line *l)
{
    if (l->ended || !wait_for_input(l))
        return false;
    jb__buf_consume(&l->in, l->used);
    l->used = 0;
    if (jb__buf_reserve(&l->in, 4096) != 0) {
        l->ended = true;
        cli_fail(CLI_IO, "a line of the input is too long");
        return false;
    }
    ssize_t n = read(STDIN_FILENO, l->in.p + l->in.n, 4096);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    l->ended = n <= 0;
    if (n > 0)
        l->in.n += (size_t)n;
    else if (l->in.n > 0)
        l->in.p[l->in.n++] = '\n'; /* there is room: the last line may lack it */
    return true;
}

static const char *plain_line(struct line *l)
{
    for (;;) {
        char *start = l->in.p + l->used;
        char *end = l->in.n > l->used ? memchr(start, '\n', l->in.n - l->used) : NULL;
        if (end) {
            *end = '\0';
            l->used += (size_t)(end - start) + 1;
            return start;
        }
        if (!read_part(l))
            return NULL;
    }
}

const char *line_next(struct line *l, struct account *a, line_on_event *on_event, void *ctx)
{
    l->account = a;
    l->on_event = on_event;
    l->ctx = ctx;
    return l->edit ? edit_line(l) : plain_line(l);
}

/* -- Beginning and end ------------------------------------------------------------------------ */

static char *give_prompt(EditLine *edit)
{
    struct line *l;

    el_get(edit, EL_CLIENTDATA, &l);
    return l->prompt;
}

void line_prompt(struct line *l, const char *text)
{
    show_line(text, l->prompt, sizeof l->prompt);
}

bool line_is_terminal(const struct line *l)
{
    return l->edit != NULL;
}

static void load_history(struct line *l)
{
    HistEvent event;
    int fd = open(l->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* libedit would ask the umask */

    if (fd < 0) {
        cli_fail(CLI_OK, "%s: %s (what is typed is not kept)", l->file, strerror(errno));
        l->file = NULL;
        return;
    }
    close(fd);
    history(l->history, &event, H_LOAD, l->file);
}

static int open_terminal(struct line *l)
{
    HistEvent event;

    l->edit = el_init("jabiru", stdin, stdout, stderr);
    l->history = history_init();
    if (!l->edit || !l->history)
        return cli_fail(CLI_IO, "the terminal cannot be used");
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, give_prompt);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_GETCFN, get_character);
    el_set(l->edit, EL_HIST, history, l->history);
    el_set(l->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    el_source(l->edit, NULL); /* ~/.editrc, as other programs with libedit do */
    if (l->file)
        load_history(l);
    account_catch(SIGWINCH);
    account_catch(SIGTSTP);
    return CLI_OK;
}

int line_open(struct line **out, const char *history)
{
    struct line *l = *out = jb_zalloc(&jb_allocator_libc, sizeof *l);

    if (!l)
        return cli_fail(CLI_IO, "%s", jb_strerror(JB_ENOMEM));
    jb__buf_init(&l->in, &jb_allocator_libc, LINE_BYTES);
    l->file = history;
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? open_terminal(l) : CLI_OK;
}

void line_close(struct line *l)
{
    HistEvent event;

    if (!l)
        return;
    if (l->history && l->file)
        history(l->history, &event, H_SAVE, l->file);
    if (l->history)
        history_end(l->history);
    if (l->edit)
        el_end(l->edit);
    jb__buf_deinit(&l->in);
    jb_free(&jb_allocator_libc, l);
}
