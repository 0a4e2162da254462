/* SPDX-License-Identifier: MIT */
#include "modules/rfc6121_subscription.h"

#include "base/assert.h"
#include "modules/rfc6121_roster.h"

/* Appendix A.2: what the user does. */
static struct subscription_step step_out(uint8_t state, enum jb_stanza_type type)
{
    uint8_t mine = ROSTER_TO | ROSTER_ASK;
    uint8_t theirs = ROSTER_FROM | ROSTER_PENDING_IN;

    switch (type) {
    case JB_TYPE_SUBSCRIBE:
        if (!(state & ROSTER_TO))
            state |= ROSTER_ASK;
        return (struct subscription_step){ .state = state | ROSTER_LISTED, .pass = true };
    case JB_TYPE_UNSUBSCRIBE:
        return (struct subscription_step){ .state = state & (uint8_t)~mine, .pass = true };
    case JB_TYPE_SUBSCRIBED:
        if (state & ROSTER_PENDING_IN) {
            state &= (uint8_t)~ROSTER_PENDING_IN;
            return (struct subscription_step){ .state = state | ROSTER_FROM | ROSTER_LISTED,
                                               .pass = true };
        }
        if (!(state & ROSTER_FROM)) /* section 3.4: agreed before being asked */
            state |= ROSTER_APPROVED | ROSTER_LISTED;
        return (struct subscription_step){ .state = state };
    default: /* unsubscribed: also takes back what was agreed in advance */
        return (struct subscription_step){ .state = state & (uint8_t) ~(theirs | ROSTER_APPROVED),
                                           .pass = (state & theirs) != 0 };
    }
}

/* Appendix A.3: what the contact does. */
static struct subscription_step step_in(uint8_t state, enum jb_stanza_type type)
{
    uint8_t mine = ROSTER_TO | ROSTER_ASK;
    uint8_t theirs = ROSTER_FROM | ROSTER_PENDING_IN;

    switch (type) {
    case JB_TYPE_SUBSCRIBE:
        if (state & ROSTER_FROM)
            return (struct subscription_step){ .state = state, .auto_approve = true };
        if (state & ROSTER_APPROVED)
            return (struct subscription_step){
                .state = (state | ROSTER_FROM) & (uint8_t)~ROSTER_APPROVED, .auto_approve = true
            };
        return (struct subscription_step){ .state = state | ROSTER_PENDING_IN,
                                           .pass = !(state & ROSTER_PENDING_IN) };
    case JB_TYPE_UNSUBSCRIBE:
        return (struct subscription_step){ .state = state & (uint8_t)~theirs,
                                           .pass = (state & theirs) != 0 };
    case JB_TYPE_SUBSCRIBED:
        if (!(state & ROSTER_ASK))
            return (struct subscription_step){ .state = state };
        return (struct subscription_step){ .state = (state | ROSTER_TO) & (uint8_t)~ROSTER_ASK,
                                           .pass = true };
    default: /* unsubscribed */
        return (struct subscription_step){ .state = state & (uint8_t)~mine,
                                           .pass = (state & mine) != 0 };
    }
}

struct subscription_step subscription_step(uint8_t state, enum subscription_side side,
                                           enum jb_stanza_type type)
{
    jb_assert(type == JB_TYPE_SUBSCRIBE || type == JB_TYPE_SUBSCRIBED ||
              type == JB_TYPE_UNSUBSCRIBE || type == JB_TYPE_UNSUBSCRIBED);
    return side == SUBSCRIPTION_OUT ? step_out(state, type) : step_in(state, type);
}
