/* SPDX-License-Identifier: MIT */
/* What the files of the client share among themselves.
 *
 *     client.c      making, settings, connect and disconnect, what to wait for
 *     link.c        one attempt: dialling, the upgrade, bytes in and out, its end
 *     discover.c    where a domain's endpoint is; host_meta_read.c reads the documents
 *     login.c       from the server's first features to a bound resource; sasl2.c in one round
 *     session.c     the stream's events, one after the other, and what the program hears of them
 *     deflate.c     compression of messages, where both sides do it
 *     inbound.c     stanzas: which are to be trusted, which the library answers itself
 *     outbox.c      what is sent: stanzas, messages that wait
 *     request.c     requests and their answers
 *     edit.c        who may correct or retract a message
 *     element.c, writer.c, event.c, run.c, url.c   what their names say */
#ifndef JB_CLIENT_CLIENT_IMPL_H
#define JB_CLIENT_CLIENT_IMPL_H

#include "base/arena.h"
#include "base/hash.h"
#include "client/url.h"
#include "core/jid.h"
#include "core/sasl.h"
#include "core/stream.h"
#include "core/ws_handshake.h"
#include "jabiru/jabiru.h"
#include "net/dial.h"
#include "net/tls.h"

enum jb__phase {
    JB__PHASE_IDLE,      /* nothing will happen by itself */
    JB__PHASE_WAITING,   /* for the time of the next attempt */
    JB__PHASE_DIALLING,  /* name, connection, TLS */
    JB__PHASE_ASKING,    /* the domain's web server where the endpoint is */
    JB__PHASE_UPGRADING, /* the WebSocket's handshake */
    JB__PHASE_LOGIN,     /* the stream is there, no resource yet */
    JB__PHASE_ONLINE,
    JB__PHASE_CLOSING, /* the stream is being closed, by whichever side */
};

enum {
    JB__IN_BYTES = 16 * 1024,
    JB__WORDS_BYTES = 256,
    JB__NO_TIME = -1,
    JB__REDIRECTS = 3,
    JB__SEEN = 256, /* messages by whose stanza-id a repetition is known */
};

struct jb_event {
    enum jb_event_kind kind;
    enum jb_result result;
    enum jb_reason reason;
    enum jb_acked_by acked_by;
    bool whole;
    int retry_ms;
    uint64_t number;
    const struct jb_element *element;
    const char *words;
};

/* A request without an answer, or one whose end is still to be told. */
struct jb__request {
    struct jb__request *next;
    uint64_t number;
    uint64_t deadline_ms;
    bool over;      /* it ended without an answer, as `result` says */
    bool is_roster; /* the library's own: the contact list */
    uint8_t result;
    struct jb_str query; /* queryid of a question to an archive (XEP-0313), behind `to` */
    struct jb_jid to;    /* text behind the struct; unset: the own account */
    char text[];
};

/* A message on its way: waiting, sent, or acknowledged and still to be told. */
struct jb__outgoing {
    struct jb__outgoing *next;
    struct jb_stanza *stanza;
    uint64_t number;
    uint8_t state;    /* enum jb__outgoing_state */
    uint8_t acked_by; /* enum jb_acked_by */
};

enum jb__outgoing_state {
    JB__OUT_WAITING, /* for us to be online */
    JB__OUT_SENT,    /* queued on the stream */
    JB__OUT_ACKED,   /* to be told */
    JB__OUT_DROPPED, /* to be told */
};

struct jb__login;
struct jb__discovery;
struct jb__compression;

struct jb_client {
    struct jb_allocator memory;
    uint32_t settings[JB_SETTING_COUNT];
    char *options[JB_OPTION_COUNT]; /* NULL: not set */

    /* The account. */
    char *jid;          /* text of `self` */
    struct jb_jid self; /* full once bound */
    char *domain;       /* A-labels */
    bool is_stranger;   /* no name of one's own: the server makes one up */
    char *password;     /* overwritten before it is freed; "": none */
    char agent[37];     /* this client's UUID, for servers with SASL 2 */
    struct jb_str wish; /* the resource to ask for; in `wish_text` */
    char *wish_text;

    /* The attempt, and when something is due. */
    enum jb__phase phase;
    uint64_t deadline_ms; /* of the phase; WAITING: the next attempt.  UINT64_MAX: none */
    uint32_t attempts;    /* in a row that failed, or did not last */
    uint64_t online_ms;   /* since when this connection is; 0: it is not */
    struct jb__url url;
    char name[JB__URL_HOST_BYTES + 1];       /* that the certificate is for, wherever we are sent */
    bool is_discovered;                      /* then the account's domain will do as well */
    struct jb__addr addrs[JB__RESOLVE_MOST]; /* of the endpoint, if discovery said so */
    uint8_t addr_count;
    struct jb__tls_keys keys;        /* that the domain has pinned there */
    struct jb__discovery *discovery; /* while it is under way */
    char *redirect;                  /* where the server sends us next; NULL: nowhere */
    uint32_t redirects;              /* in a row */
    struct jb__tls_ctx *tls; /* made when first needed; NULL again when what it trusts is changed */
    struct jb__dial dial;
    struct jb__sock sock;
    struct jb__login *login;
    uint8_t ws_nonce[JB__WS_NONCE_BYTES]; /* of the handshake under way */
    bool offers_deflate;                  /* in it */
    uint64_t heard_ms;                    /* the last sign of life */
    uint64_t pinged_ms;                   /* when we asked for one; 0: not since */

    /* Bytes. */
    char *in; /* JB__IN_BYTES while there is input, else NULL */
    size_t in_at, in_end;
    struct jb__buf out; /* rendered, not yet written */
    struct jb_stream_config stream_config;
    struct jb_stream stream;
    bool stream_is_live;                 /* `stream` is initialised */
    struct jb__compression *compression; /* NULL: none was agreed on */
    struct jb__arena arena;              /* of the event being looked at */

    /* What a stream left behind that can be resumed (XEP-0198). */
    struct jb_sm_saved saved;
    char *sm_id; /* the session's name, also while it is connected; NULL: it cannot be resumed */
    bool saved_is_live;

    /* Repetitions: keyed hashes of stanza-ids, the newest overwrite the oldest. */
    struct jb__hash_key seen_key;
    uint64_t seen[JB__SEEN];
    uint32_t seen_next;

    /* What is to be told. */
    struct jb_event event;
    bool tell_online, tell_resumed, tell_offline;
    bool leaving;          /* jb_client_disconnect() waits for messages to be acknowledged */
    bool untold;           /* there was no memory to tell what arrived last */
    bool lacks_roster;     /* it was asked for in this session, and has not come yet */
    bool short_of_memory;  /* since the last jb_client_process() */
    enum jb_reason reason; /* why the connection ended or ends */
    int retry_ms;
    char words[JB__WORDS_BYTES];
    char security[96];

    /* What is under way. */
    uint64_t numbers; /* the last one given */
    struct jb__request *requests;
    uint32_t request_count;
    struct jb__outgoing *outbox, **outbox_end;
    uint64_t ask_after_ms; /* when the next acknowledgement may be asked for */
    uint32_t outbox_count;
    uint64_t outbox_bytes;
};

static inline uint32_t jb__setting(const struct jb_client *c, enum jb_setting s)
{
    return c->settings[s];
}

/* What looking at a stanza may take, whatever is in it. */
static inline size_t jb__arena_most(const struct jb_client *c)
{
    enum { SPARE_BYTES = 1024 * 1024, FACTOR = 16 };

    return FACTOR * (size_t)c->stream_config.limits.stanza_bytes + SPARE_BYTES;
}

/* What somebody wrote, for whom no memory is not the same as no text: 0 or JB_ENOMEM.  An attribute
 * that is not there is empty. */
JB_NODISCARD static inline int jb__text_of(const struct jb_doc *doc, uint16_t node,
                                           struct jb__arena *arena, struct jb_str *out)
{
    *out = jb_node_text(doc, node, arena);
    return out->p ? 0 : JB_ENOMEM;
}

JB_NODISCARD static inline int jb__attr_of(const struct jb_doc *doc, uint16_t node,
                                           const char *name, struct jb__arena *arena,
                                           struct jb_str *out)
{
    struct jb_str raw;

    *out = JB_STR_NONE;
    if (!jb_node_attr_raw(doc, node, name, &raw))
        return 0;
    *out = jb_xml_attr_value(raw, arena);
    return out->p ? 0 : JB_ENOMEM;
}

/* -- client.c --------------------------------------------------------------------------------- */

/* A copy with a NUL behind it; NULL when out of memory. */
char *jb__client_copy(struct jb_client *c, struct jb_str text);

/* -- link.c ----------------------------------------------------------------------------------- */

/* Begins an attempt, whatever was before; failures are told as OFFLINE. */
void jb__link_begin(struct jb_client *c, uint64_t now_ms);
/* Turns to c->url. */
void jb__link_dial(struct jb_client *c, uint64_t now_ms);
/* Does what can be done without waiting. */
void jb__link_advance(struct jb_client *c, uint64_t now_ms);
/* Writes what is queued, as much as the socket takes. */
void jb__link_flush(struct jb_client *c);
/* The connection is over: closes everything, plans the next attempt, tells OFFLINE.  `words` may be
 * empty, then the reason's own are told.  The first reason of an ending counts. */
void jb__link_fail(struct jb_client *c, enum jb_reason reason, struct jb_str words);
/* The same for a code of base, core or net; JB_ENOMEM is told as such. */
void jb__link_fail_code(struct jb_client *c, int rc, enum jb_reason reason, const char *words);
/* Ends the stream in order; the same will be told once it is closed. */
void jb__link_close(struct jb_client *c, enum jb_reason reason, struct jb_str words);
/* Keeps why the connection will end. */
void jb__link_say_why(struct jb_client *c, enum jb_reason reason, struct jb_str words);
/* The server closes the stream and sends us elsewhere (RFC 7395 section 3.6.1). */
void jb__link_on_redirect(struct jb_client *c, struct jb_str uri);
/* What goes with the connection; nothing is told. */
void jb__link_end(struct jb_client *c);

/* -- discover.c ------------------------------------------------------------------------------- */

/* No URL was set: begins to ask the account's domain. */
void jb__discover_begin(struct jb_client *c, uint64_t now_ms);
/* The web server is connected, and its certificate is for the domain. */
void jb__discover_connected(struct jb_client *c);
/* What it said is in c->in; or it has closed the connection, and no more will come. */
void jb__discover_on_input(struct jb_client *c, uint64_t now_ms);
void jb__discover_on_end(struct jb_client *c, uint64_t now_ms);
/* It cannot be asked this way: the next, or no more. */
void jb__discover_on_failure(struct jb_client *c, uint64_t now_ms, int rc, const char *words);
void jb__discover_end(struct jb_client *c); /* allowed twice */

/* -- deflate.c -------------------------------------------------------------------------------- */

/* Whether this build can. */
bool jb__deflate_can(void);
/* The handshake agreed on this; the stream is new.  0 or JB_ENOMEM. */
JB_NODISCARD int jb__deflate_begin(struct jb_client *c, const struct jb__ws_deflate *agreed);
/* There is nothing to do for the moment: gives back what is only needed for a message. */
void jb__deflate_rest(struct jb_client *c);
void jb__deflate_end(struct jb_client *c); /* allowed twice */

/* -- login.c ---------------------------------------------------------------------------------- */

/* The WebSocket is open. */
void jb__login_begin(struct jb_client *c);
/* An event of the stream while PHASE_LOGIN. */
void jb__login_on_event(struct jb_client *c, struct jb_stream_event *ev);
void jb__login_end(struct jb_client *c); /* allowed twice */

/* -- session.c -------------------------------------------------------------------------------- */

/* A resource was bound, or the session from before goes on. */
void jb__session_begin(struct jb_client *c, bool resumed);
/* The session can be resumed no more: what it left behind goes. */
void jb__session_forget(struct jb_client *c);

/* -- inbound.c -------------------------------------------------------------------------------- */

/* A stanza; true when c->event is to be told. */
bool jb__inbound_on_stanza(struct jb_client *c, struct jb_stream_event *ev);

/* -- outbox.c --------------------------------------------------------------------------------- */

/* Online again: what waits goes out. */
void jb__outbox_send_waiting(struct jb_client *c);
/* What was sent on a stream that is no more, and was not acknowledged, waits again. */
void jb__outbox_unsend(struct jb_client *c);
/* Takes what `q` knows to be acknowledged, as `by` said. */
void jb__outbox_take_acked(struct jb_client *c, struct jb_sendq *q, enum jb_acked_by by);
/* Asks for an acknowledgement if something wants one and it is time. */
void jb__outbox_ask(struct jb_client *c);
/* When it will be; UINT64_MAX: nothing wants one, or one is on its way. */
uint64_t jb__outbox_ask_deadline(const struct jb_client *c);
/* Nothing that was sent is without acknowledgement. */
bool jb__outbox_is_settled(const struct jb_client *c);
/* Gives up all that is queued: DROPPED will tell. */
void jb__outbox_drop(struct jb_client *c);
/* The next message whose end is to be told, as c->event; false: none. */
bool jb__outbox_tell(struct jb_client *c);
void jb__outbox_free(struct jb_client *c);
/* Queues a stanza of our own making on the stream; 0 or a code. */
JB_NODISCARD int jb__outbox_send_xml(struct jb_client *c, struct jb_str xml);

/* -- request.c -------------------------------------------------------------------------------- */

/* An iq of type result or error: true when it answers a request; c->event says which, and is a
 * ROSTER for the library's own. */
bool jb__request_answered(struct jb_client *c, const struct jb_stanza_head *h);
/* The answer can be told: the request is over. */
void jb__request_end(struct jb_client *c, uint64_t number);
/* Asks for the contact list; 0 or a code. */
JB_NODISCARD int jb__request_roster(struct jb_client *c);
/* Whether an archive that says it is `h->from` was asked this and has not answered yet. */
bool jb__request_is_open(const struct jb_client *c, const struct jb_stanza_head *h,
                         struct jb_str query);
/* Ends those whose time is up. */
void jb__request_expire(struct jb_client *c, uint64_t now_ms);
/* The session is over: so are all of them. */
void jb__request_abandon(struct jb_client *c);
/* The next one whose end is to be told, as c->event; false: none. */
bool jb__request_tell(struct jb_client *c);
/* When the first one's time is up; UINT64_MAX: never. */
uint64_t jb__request_deadline(const struct jb_client *c);
void jb__request_free(struct jb_client *c);

/* -- element.c -------------------------------------------------------------------------------- */

/* The tree of a parsed element, in the arena; NULL: out of memory. */
const struct jb_element *jb__element_new(const struct jb_doc *doc, uint16_t root,
                                         struct jb__arena *arena);
/* Writes it as it stood, with the declarations around it that hold in it. */
void jb__element_write(const struct jb_element *e, struct jb_xml *x);

#endif
