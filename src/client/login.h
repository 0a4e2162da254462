/* SPDX-License-Identifier: MIT */
/* What the files of the login share: login.c, and sasl2.c when the server offers XEP-0388. */
#ifndef JB_CLIENT_LOGIN_H
#define JB_CLIENT_LOGIN_H

#include "client/client_impl.h"

enum jb__login_step {
    JB__STEP_FEATURES, /* waiting for <open/> and the features with mechanisms */
    JB__STEP_AUTH,     /* an exchange is under way */
    JB__STEP_RESTART,  /* authenticated; waiting for the features with <bind/> */
    JB__STEP_RESUME,   /* asked to go on with the session from before (XEP-0198) */
    JB__STEP_BIND,     /* waiting for the resource */
    JB__STEP_ENABLE,   /* bound; asked for stream management */
};

struct jb__login {
    enum jb__login_step step;
    bool has_sm; /* the server offers stream management */
    struct jb__sasl_account account;
    struct jb__sasl_client sasl;
    uint8_t binding[JB__SASL_BINDING_COUNT][JB__BINDING_BYTES];
    uint8_t nonce[JB__SASL_NONCE_BYTES];
    struct jb__sasl_offered offered;
    struct jb__buf advertised; /* all mechanisms and bindings by name (XEP-0474) */

    /* SASL 2 (XEP-0388). */
    bool is_sasl2;
    bool can_resume, can_bind, can_enable; /* within the authentication */
    uint32_t tokens_offered;               /* mask of HT mechanisms (XEP-0484) */
    bool with_token;                       /* the exchange under way is with our token */
};

/* LOGIN_BYTES: of an element we send; the limits of SASL are narrower. */
enum { JB__LOGIN_BYTES = 256 * 1024 };

/* Ends the connection for a fault of the server's, or for want of memory. */
void jb__login_fail(struct jb_client *c, int rc, const char *words);
/* Reads the <mechanism/> children of a list, and the bindings of XEP-0440 beside it; 0 or a code.
 */
JB_NODISCARD int jb__login_read_offer(struct jb_client *c, const struct jb_doc *doc, uint16_t list);
/* The strongest mechanism's exchange begins. */
void jb__login_begin_exchange(struct jb_client *c);
/* The text of a challenge. */
void jb__login_on_challenge(struct jb_client *c, struct jb_str text);
/* The server agrees, with its proof; false: it has none, and the connection is over. */
bool jb__login_is_proven(struct jb_client *c, struct jb_str text);
/* The server refuses: perhaps with another mechanism. */
void jb__login_on_refusal(struct jb_client *c, struct jb_str condition, struct jb_str words);
/* Takes the address the server bound; 0 or a code. */
JB_NODISCARD int jb__login_take_jid(struct jb_client *c, struct jb_str text);
/* Takes the name of a session that can be resumed; 0 or a code. */
JB_NODISCARD int jb__login_take_sm(struct jb_client *c, struct jb_str id, bool resume);
/* How far the server got with the session from before; 0 or JB_EINVAL. */
JB_NODISCARD int jb__login_take_handled(struct jb_client *c, uint32_t h);
/* All is done. */
void jb__login_go_online(struct jb_client *c, bool resumed);

/* An element that is being written; what it holds may be a secret. */
struct jb__login_text {
    struct jb__buf buf;
    struct jb_xml x;
};
void jb__login_text_begin(struct jb_client *c, struct jb__login_text *t);
/* Queues it and overwrites it; out of memory ends the login. */
void jb__login_text_send(struct jb_client *c, struct jb__login_text *t);

/* -- sasl2.c ---------------------------------------------------------------------------------- */

/* True when the features offer it; then it has begun. */
bool jb__sasl2_begin(struct jb_client *c, const struct jb_doc *features);
/* Says what SASL has to say. */
void jb__sasl2_say(struct jb_client *c, bool first, struct jb_str mech, struct jb_str text);
/* An element of its namespace; false: it is none. */
bool jb__sasl2_on_element(struct jb_client *c, const struct jb_doc *doc);

#endif
