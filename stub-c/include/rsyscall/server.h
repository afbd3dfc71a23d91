#ifndef RSYSCALL_SERVER_H
#define RSYSCALL_SERVER_H

/* EX_UNAVAILABLE of <sysexits.h>: what the parent of a process of ours sees whenever nobody gave it a
 * status. Never 0: a caller must not believe that its mail was sent. */
#define RSYSCALL_STATUS_UNAVAILABLE 69

/* Numbers from here on are not those of system calls, but of operations in protocol.h. */
#define RSYSCALL_OP_FIRST 0x7fff0000u

long rsyscall_operation(unsigned number, const unsigned long args[6]);

/* RSYSCALL_OP_EPOLL_WAIT for a server that gets its requests from infd; `may_sleep` only if it has read
 * none that it has not performed. `events` has room for RSYSCALL_EVENTS_AT_MOST. */
long rsyscall_epoll_wait(int infd, int may_sleep, const unsigned long args[6], void *events);

/* Sends all of it, zeros in place of memory that is not there. Returns the length, or an error. */
long rsyscall_send_all(int fd, const void *from, unsigned long length);

/* Performs the requests that arrive on infd and answers them on outfd, both stream sockets.
 * Returns 0 when the other side has hung up, and a negative errno when a socket failed. */
long rsyscall_server(int infd, int outfd);

#endif
