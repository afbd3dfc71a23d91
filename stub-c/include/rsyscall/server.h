/* System calls over a pair of stream sockets: docs/protocol.md, "System calls over the socket". */
#ifndef RSYSCALL_SERVER_H
#define RSYSCALL_SERVER_H

#include "rsyscall/protocol.h"

/* EX_UNAVAILABLE of <sysexits.h>: the exit status of a process that ends without a status from its controller.
 * It is never 0, because a caller must not believe that its mail was sent. */
#define RSYSCALL_STATUS_UNAVAILABLE 69

/* Has `perform` perform the requests that arrive on infd, in order, and writes the results to outfd.
 * Returns 0 when the peer has hung up, and -errno when a socket failed. */
long rsyscall_serve_socket(int infd, int outfd, rsyscall_performer *perform);

#endif
