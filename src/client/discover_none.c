/* SPDX-License-Identifier: MIT */
/* In the place of discover.c where that is left out (-Dminimal=true): the program names the URL. */
#include "base/assert.h"
#include "client/client_impl.h"

void jb__discover_begin(struct jb_client *c, uint64_t now_ms)
{
    (void)now_ms;
    jb__link_fail(c, JB_REASON_DISCOVERY, JB_STR("this library needs JB_OPTION_URL"));
}

void jb__discover_connected(struct jb_client *c)
{
    jb_assert(!c); /* c->discovery is never set */
}

void jb__discover_on_input(struct jb_client *c, uint64_t now_ms)
{
    (void)now_ms;
    jb_assert(!c);
}

void jb__discover_on_end(struct jb_client *c, uint64_t now_ms)
{
    (void)now_ms;
    jb_assert(!c);
}

void jb__discover_on_failure(struct jb_client *c, uint64_t now_ms, int rc, const char *words)
{
    (void)now_ms;
    (void)rc;
    (void)words;
    jb_assert(!c);
}

void jb__discover_end(struct jb_client *c)
{
    (void)c;
}
