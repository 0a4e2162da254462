/* SPDX-License-Identifier: MIT */
/* Sessions that outlive their connection (XEP-0198).
 *
 * A session with stream management whose connection is lost hibernates: it keeps its place among
 * its user's sessions, what is for it goes onto the send queue it kept, and a new connection of the
 * same user takes it over by the secret it was given when stream management was enabled. */
#ifndef SERVER_SESSION_SM_H
#define SERVER_SESSION_SM_H

#include "base/random.h"
#include "core/stream.h"
#include "core/xml_write.h"
#include "server/session_count.h"
#include "server/wheel.h"

struct conn;
struct reactor;
struct resumption;
struct session;
struct store_unit;
struct user;

enum { SESSION_SM_KEY_BYTES = SESSION_COUNT_KEY_BYTES };

/* Of a session with stream management. */
struct session_sm {
    struct jb__list node; /* in reactor->hibernating while it has no connection */
    struct session *session;
    bool resumable;
    bool overfull;           /* its queue reached a limit; it is closed, or ended, by the timer */
    bool ample;              /* resumed with a longer queue than is allowed, and not yet shorter */
    uint32_t wait_ms;        /* how long it waits for its resumption */
    struct timer timer;      /* without a connection: when that is over */
    struct jb_sm_saved rest; /* without a connection: of its stream */
    uint32_t committed; /* of the stanzas received: so many are, with this number, in the store */
    bool asked;         /* the client asked, and some of what it sent is not committed */
    bool stored;        /* the counter is in the store */
    uint8_t key[SESSION_SM_KEY_BYTES]; /* a hash of the secret that resumes it; the secret itself
                                          is the client's alone */
    struct resumption *taker;          /* waits until everything is committed */
};

/* What happened to stanzas that were on their way to the store. */
struct session_sm_progress {
    bool committed; /* all up to `number` is */
    uint32_t number;
    bool failed; /* the last one could not be written */
};

/* Its client wants stream management. */
void session_sm_enable(struct session *s, const struct jb_sm_event *wish);
/* The same within another element: writes the answer, and counting begins. */
void session_sm_enable_inline(struct session *s, const struct jb_sm_event *wish, struct jb_xml *x);
/* The client of a connection without a session wants to go on with one that is waiting, or whose
 * old connection only looks alive. */
void session_sm_resume(struct conn *c, const struct jb_sm_event *wish);

/* What becomes of a resumption that is part of something else (XEP-0388). */
enum session_resume_end {
    SESSION_RESUMED, /* `saved` and `id` are told the client now; the stream goes on behind that */
    SESSION_REFUSED, /* there is no such session; `h` is what is known of it, or NULL */
    SESSION_RESUME_OVER, /* the stream ends or has ended */
};
struct session_resume_outcome {
    enum session_resume_end end;
    const struct jb_sm_saved *saved;
    struct jb_str id;
    struct jb_jid jid; /* SESSION_RESUMED: its address */
    const uint32_t *h;
};
typedef void session_resume_told(struct conn *c, const struct session_resume_outcome *outcome);
/* The same; the answer is the caller's to write: `told` is called once, at once or later. */
void session_sm_resume_inline(struct conn *c, const struct jb_sm_event *wish,
                              session_resume_told *told);

/* Its stream's owner told of acknowledged stanzas: they are let go. */
void session_sm_acked(struct session *s);
/* The client asks what is handled; what is committed is told at once, the rest when it is, too. */
void session_sm_asked(struct session *s);
/* A stanza of the client was handled, and nothing of it, or not all of it, has to be kept. */
void session_sm_handled(struct session *s);
/* Something of what the client sent is back from the store. */
void session_sm_progressed(struct session *s, const struct session_sm_progress *progress);
/* Where its counter stands; a session without stream management keeps none. */
struct session_counter session_sm_counter(const struct session *s);
/* How many stanzas have come, whether there is a connection or not. */
const uint32_t *session_received(const struct session *s);
/* Everything the client sent is committed, and so is the counter. */
bool session_sm_is_settled(const struct session *s);
/* Commits what is not, or forgets it where that fails, and goes on with the resumption that waits. */
void session_sm_settle(struct session *s);
/* It is on a new connection. */
void session_sm_resumed(struct session *s);
/* Whom a resumption waits for has settled, or another one takes him (session_resume.c). */
void session_resume_go_on(struct resumption *rs, bool settled);
/* Hashes the secret of an id. */
void session_sm_key(struct jb_str id, uint8_t key[SESSION_SM_KEY_BYTES]);

/* A stanza was queued for it: asks for an acknowledgement when it is time, and sees to limits. */
void session_sm_queued(struct session *s, bool tagged);
/* It was resumed with more than may wait for others, and has not taken it yet; there is a limit for
 * that, too. */
bool session_sm_has_more(const struct session *s);
/* The send queue, whether there is a connection or not. */
struct jb_sendq *session_queue(struct session *s);
/* It ends for good: what nobody will get is answered (XEP-0198 section 4). */
void session_sm_bounce(struct session *s);
void session_sm_free(struct session *s);

/* Ends the session that has waited longest when at least `most` of them wait; false: they do not.
 */
bool session_sm_make_room(struct user *u, uint32_t most);

/* Its connection is gone or cannot be used any more: it hibernates, or ends when it cannot. */
void session_lost(struct session *s);
/* Its client is on another connection and wants it there: it leaves this one, whatever else is. */
void session_sm_leave(struct session *s);

/* What is known of a saved session; `handled` and `acked` on the wire. */
struct session_sm_state {
    const uint8_t *key;
    uint32_t wait_ms;
    uint32_t handled;
    uint32_t acked;
};
/* A session without a connection waits again, with an empty queue. */
void session_sm_revive(struct session *s, const struct session_sm_state *state);
/* Its queue is filled: so much of it had been sent. */
void session_sm_revive_sent(struct session *s, uint32_t sent);

#endif
