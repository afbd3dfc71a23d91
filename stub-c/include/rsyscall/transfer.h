/* Transfers over a stream socket that never stop half way. */
#ifndef RSYSCALL_TRANSFER_H
#define RSYSCALL_TRANSFER_H

#include "rsyscall/protocol.h"

/* Sends `length` bytes. In place of memory that cannot be read it sends zeros, so that the peer gets as many bytes as
 * it expects; the result is then -EFAULT. Returns the length, or -errno. */
long rsyscall_send_all(int fd, const void *from, u64 length);

/* Receives `length` bytes. Returns the length, or -errno: -EPIPE if the peer has hung up. */
long rsyscall_recv_all(int fd, void *to, u64 length);

#endif
