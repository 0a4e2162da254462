/* SPDX-License-Identifier: MIT */
/* In-band registration: what is common to new accounts (xep0077_register.c) and to changes of
 * existing ones (xep0077_account.c). */
#ifndef MODULES_XEP0077_REGISTER_H
#define MODULES_XEP0077_REGISTER_H

#include "modules/modules.h"

enum { REGISTER_PASSWORD_CHANGE, REGISTER_REMOVAL }; /* indices of its options */

/* The username and the password of a request, as written; empty when missing. */
struct jb_str register_field(const struct iq *iq, const char *name);
/* Whether passwords may be sent over this connection. */
bool register_is_safe(const struct conn *c);
/* The password as it may be used (RFC 8265), in the tick's arena; false: it may not. */
bool register_password(const struct iq *iq, struct jb_str *password);

/* The rules for those who have logged in. */
void register_on_member_get(struct iq *iq);
void register_on_member_set(struct iq *iq);

#endif
