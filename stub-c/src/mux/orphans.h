/* What the programs of a server have begun themselves: at a cut it must end with them, and the kernel sees only to the
 * server's own children (PR_SET_PDEATHSIG). */
#ifndef RSYSCALL_MUX_ORPHANS_H
#define RSYSCALL_MUX_ORPHANS_H

#include "rsyscall/protocol.h"

/* Notes all processes whose parent is this process, or one that executes this program: the server, and its children
 * that serve. Of these the kernel kills those that are to end with their parent; the others go on: `detached` programs,
 * and daemons, which this process has adopted. Returns whether that was possible: it takes a /proc of this process's pid
 * namespace, CONFIG_PROC_CHILDREN, and no more than some hundreds of such processes.
 *
 * Holds what these that serve have open, until this process ends: otherwise the kernel would release a lock before the
 * programs that work under it are dead. */
int spare_known(void);

/* A process was waited for: another one may get its number. */
void forget_spared(i32 pid);

/* Kills the children of this process that were not spared. It is the subreaper, so it gets the children of each process
 * that is killed: to be called again as long as there are any. The number of a child means no other process until it is
 * waited for. */
void kill_orphans(void);

#endif
