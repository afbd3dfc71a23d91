/* What a server performs: system calls, and the operations of protocol.h that are not system calls. */
#ifndef RSYSCALL_OPERATION_H
#define RSYSCALL_OPERATION_H

#include "rsyscall/ring.h"

/* Performs a request: a system call, or an operation. Returns its result. */
long rsyscall_perform(const struct rsyscall_request *request);

/* Performs an operation (RSYSCALL_OP_*). Returns -ENOSYS if the number is not that of one. */
long rsyscall_operation(u32 number, const u64 args[6]);

/* Performs the requests that arrive on infd and writes the results to outfd, both stream sockets.
 * Returns 0 when the peer has hung up, and -errno when a socket failed. */
long rsyscall_server(int infd, int outfd);

/* Performs the requests that arrive in a ring: rsyscall_serve_ring. */
long rsyscall_ring_server(int fd, struct rsyscall_ring *ring);

#endif
