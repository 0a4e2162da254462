/* SPDX-License-Identifier: MIT */
/* Test builds only: the control command "sandbox-probe" tries what the sandbox must refuse. */
#ifndef SERVER_SANDBOX_PROBE_H
#define SERVER_SANDBOX_PROBE_H

struct control_call;

/* args: {"try": "execve" | "ptrace" | "fork" | "socket" | "bind" | "read" | "write" | "exec-memory"
 * | "hang" (the last reactor, for 2.5 s), "path": "..."}.  Replies {"errno": "EACCES"}, or "done" when nothing stopped it; what ends the
 * process gets no reply. */
void sandbox_probe(struct control_call *call);

#endif
