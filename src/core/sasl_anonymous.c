/* SPDX-License-Identifier: MIT */
/* ANONYMOUS (RFC 4505): the client may say a word about itself, which proves nothing and which we
 * do not keep. */
#include "core/sasl_impl.h"

static enum jb__sasl_step anonymous_first(struct jb__sasl_server *s, struct jb_str message)
{
    enum { TRACE_CHARACTERS = 255 };
    size_t characters = 0;

    for (size_t k = 0; k < message.n; k++) {
        if (message.p[k] == '\0')
            return jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
        characters += ((uint8_t)message.p[k] & 0xc0) != 0x80;
    }
    if (characters > TRACE_CHARACTERS)
        return jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
    s->state = JB__SASL_IDLE;
    s->out = JB_STR_NONE;
    return JB__SASL_SUCCESS;
}

const struct jb__sasl_family jb__sasl_anonymous = { .first = anonymous_first };

enum jb__sasl_step jb__anonymous_client_first(struct jb__sasl_client *c)
{
    enum jb__sasl_step step = jb__sasl_client_send(c, JB_STR_NONE);

    if (step == JB__SASL_CHALLENGE)
        c->state = JB__SASL_AWAIT_END;
    return step;
}
