/* SPDX-License-Identifier: MIT */
/* In the place of deflate.c where that is left out (-Dminimal=true): nothing is offered. */
#include "client/client_impl.h"

bool jb__deflate_can(void)
{
    return false;
}

int jb__deflate_begin(struct jb_client *c, const struct jb__ws_deflate *agreed)
{
    (void)c;
    (void)agreed;
    return 0;
}

void jb__deflate_rest(struct jb_client *c)
{
    (void)c;
}

void jb__deflate_end(struct jb_client *c)
{
    (void)c;
}
