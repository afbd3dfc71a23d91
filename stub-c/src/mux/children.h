/* The server process, and processes that the kernel makes children of this one. */
#ifndef RSYSCALL_MUX_CHILDREN_H
#define RSYSCALL_MUX_CHILDREN_H

#include "rsyscall/protocol.h"

/* Begins to watch the server process. Returns the signal mask for a poll that the end of a child interrupts. */
u64 watch_children(i32 server);

/* Waits for children that have ended. Returns whether one is left that matters: the server, or any child if this is
 * the first process of a container. */
int reap_children(void);

/* Kills the server, and waits for it and for the processes that the kernel kills with it. Only then may the sockets
 * close: otherwise a program could take their end for the end of the data. is_cut: what these have begun themselves is
 * killed as well (orphans.h). */
void end_children(int is_cut);

#endif
