/* SPDX-License-Identifier: MIT */
/* Test builds: how a test reaches base/inject.h.  No release has any of this.
 *
 * The environment variable JABIRU_SM_FIRST says where the counters of stream management begin, so that
 * a test need not send 2^32 stanzas to see them wrap; JABIRU_INJECT arms points from the start on (jb__inject_parse has its
 * form).  A running server takes the command "inject" on its control socket:
 *
 *     > {"id":1,"command":"inject","args":{"arm":"sql:17+"}}
 *     < {"id":1,"ok":true,"done":true,"result":{"sql":{"calls":0,"hits":0},...}}
 *
 * It answers with what was counted before, and arms; the answer itself is counted already.
 * {"disarm":"sql"} makes the point work again. */
#ifndef SERVER_CONTROL_INJECT_H
#define SERVER_CONTROL_INJECT_H

#ifdef JABIRU_TEST_HOOKS

#include "server/control.h"

/* The first thing main does.  False: JABIRU_INJECT is malformed. */
bool inject_begin(void);
uint32_t inject_sm_first(void);
void control_inject(struct control_call *call);

#endif
#endif
