/* SPDX-License-Identifier: MIT */
/* The subscription state machine of RFC 6121 appendix A, as a pure function. */
#ifndef MODULES_RFC6121_SUBSCRIPTION_H
#define MODULES_RFC6121_SUBSCRIPTION_H

#include "core/stanza.h"

enum subscription_side {
    SUBSCRIPTION_OUT, /* the user's client sends it to a contact (appendix A.2) */
    SUBSCRIPTION_IN,  /* it arrives from a contact (appendix A.3) */
};

struct subscription_step {
    uint8_t state;     /* enum roster_state bits after it */
    bool pass;         /* out: route it to the contact; in: deliver it to the user */
    bool auto_approve; /* in: answer `subscribed` in the user's name */
};

/* `type` is one of JB_TYPE_SUBSCRIBE, _SUBSCRIBED, _UNSUBSCRIBE, _UNSUBSCRIBED; `state` bits other
 * than TO, FROM, ASK, PENDING_IN and APPROVED are kept. */
struct subscription_step subscription_step(uint8_t state, enum subscription_side side,
                                           enum jb_stanza_type type);

#endif
