/* SPDX-License-Identifier: MIT */
/* Lines from the person: on a terminal edited with libedit, with a history; from a pipe as they
 * come.  Whatever is printed while a line is being edited goes between line_hide and line_show, so
 * that neither spoils the other. */
#ifndef CLI_LINE_H
#define CLI_LINE_H

#include "cli/account.h"

/* What happens meanwhile; false: stop waiting, line_next returns NULL. */
typedef bool line_on_event(void *ctx, const struct jb_event *ev);

struct line;

/* `history`: the file that keeps what was typed, mode 0600; NULL: none is kept.
 * The prompt is what line_prompt says, nothing before.  CLI_OK or a status after a message. */
int line_open(struct line **out, const char *history);
void line_close(struct line *l); /* the terminal is as it was; NULL is allowed */

/* Whether a person sees what is printed. */
bool line_is_terminal(const struct line *l);
/* From now on; made safe, and cut when it is long. */
void line_prompt(struct line *l, const char *text);

/* The next line without its end, waiting for the account at the same time.  NULL: the input has
 * ended, somebody asked us to end (account->signal), the account is over, or the handler said so.
 * Lives until the next call. */
const char *line_next(struct line *l, struct account *a, line_on_event *on_event, void *ctx);

void line_hide(struct line *l);
void line_show(struct line *l);

#endif
