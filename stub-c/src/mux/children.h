/* The server process, and others that the kernel makes children of ours. */
#ifndef RSYSCALL_MUX_CHILDREN_H
#define RSYSCALL_MUX_CHILDREN_H

#include "rsyscall/protocol.h"

/* Begins to watch the server process. Returns the signal mask for a poll that the end of a child interrupts. */
u64 watch_children(i32 server);

/* Reaps children that have ended. Returns whether there is one left: the server, or any child where we are the first
 * process of a container. */
int reap_children(void);

/* Kills the server, and waits for it and for what the kernel kills with it, before our sockets close: else what
 * is at their other ends would take that for the end of what was sent. */
void end_children(void);

#endif
