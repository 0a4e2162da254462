/* SPDX-License-Identifier: MIT */
/* The person at the terminal: passwords in, progress out. */
#include "cli/cli.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* A line without its end.  CLI_OK; CLI_REFUSED: empty or too long; CLI_IO: there is none. */
static int read_line(FILE *from, char *out, size_t room)
{
    if (!fgets(out, (int)room, from))
        return CLI_IO;
    size_t n = strlen(out);
    bool whole = feof(from) || (n > 0 && out[n - 1] == '\n');
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
        out[--n] = '\0';
    return whole && n > 0 ? CLI_OK : CLI_REFUSED;
}

static int read_silently(FILE *tty, const char *prompt, char *out, size_t room)
{
    struct termios before, silent;
    sigset_t hold, old;

    if (tcgetattr(fileno(tty), &before) != 0)
        return CLI_IO;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* ^C and ^Z wait until the echo is back: the shell must not be left silent. */
    sigemptyset(&hold);
    sigaddset(&hold, SIGINT);
    sigaddset(&hold, SIGTERM);
    sigaddset(&hold, SIGTSTP);
    sigprocmask(SIG_BLOCK, &hold, &old);
    tcsetattr(fileno(tty), TCSAFLUSH, &silent); /* first: what answers the prompt is silent */
    fputs(prompt, stderr);
    fflush(stderr);
    int status = read_line(tty, out, room);
    tcsetattr(fileno(tty), TCSAFLUSH, &before);
    fputc('\n', stderr);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return status;
}

static int read_twice(const char *who, char *out, size_t room)
{
    char prompt[3200], again[2048];
    int status;

    snprintf(prompt, sizeof prompt, "Password for %s: ", who);
    status = read_silently(stdin, prompt, out, room);
    if (status != CLI_OK)
        return cli_fail(status, "no password");
    status = read_silently(stdin, "Again: ", again, sizeof again);
    if (status == CLI_OK && strcmp(out, again) != 0)
        status = CLI_REFUSED;
    explicit_bzero(again, sizeof again);
    return status == CLI_OK ? CLI_OK : cli_fail(CLI_REFUSED, "the two are not the same");
}

static int read_file(const char *name, char *out, size_t room)
{
    FILE *f = fopen(name, "re");

    if (!f)
        return cli_fail(CLI_IO, "%s: %s", name, strerror(errno));
    setvbuf(f, NULL, _IONBF, 0); /* no copy of it stays in a buffer */
    int status = read_line(f, out, room);
    fclose(f);
    return status == CLI_OK ? CLI_OK : cli_fail(status, "%s: no password on the first line", name);
}

int cli_account_password(const struct cli_args *args, const char *who, char *out, size_t room)
{
    const char *variable = getenv("JABIRU_PASSWORD");
    char prompt[3200];

    if (args->password_file)
        return read_file(args->password_file, out, room);
    if (variable && variable[0] && strlen(variable) < room) {
        memcpy(out, variable, strlen(variable) + 1);
        return CLI_OK;
    }
    FILE *tty = fopen("/dev/tty", "re");
    if (!tty)
        return cli_fail(CLI_USAGE, "where is the password? (--password-file FILE, the variable "
                                   "JABIRU_PASSWORD, or a terminal to ask on)");
    setvbuf(tty, NULL, _IONBF, 0);
    snprintf(prompt, sizeof prompt, "Password for %s: ", who);
    int status = read_silently(tty, prompt, out, room);
    fclose(tty);
    return status == CLI_OK ? CLI_OK : cli_fail(status, "no password");
}

int cli_read_password(const struct cli_args *args, const char *who, char *out, size_t room)
{
    int status;

    if (args->password_file)
        return read_file(args->password_file, out, room);
    setvbuf(stdin, NULL, _IONBF, 0);
    if (isatty(STDIN_FILENO))
        return read_twice(who, out, room);
    status = read_line(stdin, out, room);
    return status == CLI_OK ? CLI_OK : cli_fail(status, "no password on standard input");
}

void cli_progress_begin(struct cli_progress *p)
{
    *p = (struct cli_progress){ isatty(STDERR_FILENO), jb__clock_mono_ms(), 0 };
}

void cli_progress_draw(struct cli_progress *p, double part, uint64_t accounts)
{
    static const char full[] = "##############################";
    uint64_t now = jb__clock_mono_ms();
    double seconds = (double)(now - p->began_ms) / 1000;

    if (!p->on || now - p->drawn_ms < 100)
        return;
    p->drawn_ms = now;
    if (part < 0 || part > 1) {
        fprintf(stderr, "\r%" PRIu64 " accounts, %.0f s\033[K", accounts, seconds);
    } else {
        double left = part > 0.01 ? seconds / part - seconds : 0;
        fprintf(stderr, "\r[%-30.*s] %3.0f %%  %" PRIu64 " accounts, %.0f s left\033[K",
                (int)(part * 30), full, part * 100, accounts, left);
    }
    fflush(stderr);
}

void cli_progress_end(struct cli_progress *p)
{
    if (p->on)
        fputs("\r\033[K", stderr);
}
