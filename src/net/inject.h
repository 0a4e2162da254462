/* SPDX-License-Identifier: MIT */
/* Test builds: OpenSSL asks base/inject.h before it allocates. */
#ifndef JB_NET_INJECT_H
#define JB_NET_INJECT_H

#ifdef JABIRU_TEST_HOOKS
/* Before anything else uses OpenSSL. */
void jb__net_inject_begin(void);
#endif

#endif
