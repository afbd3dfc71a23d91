#ifndef RSYSCALL_PATIENCE_H
#define RSYSCALL_PATIENCE_H

#include "rsyscall/protocol.h"

/* Limits how long `await` and `run_out_of_time` let this process wait for its server, all waits together. The
 * limit is the number of seconds that is asked for (the value of RSYSCALL_UNIX_STUB_TIMEOUT, or 0 without
 * it), or that which the server has left beside its socket, or 60. Without a call of this there is no limit. */
void limit_patience(const char *variable);

/* Where the server is, for messages and for its own limit. */
void name_server(const char *socket_path);

int is_limited(void);

/* Waits for an event of poll(2) on a descriptor, within the limit. */
void await(int fd, short events);

/* How long the next wait may take, in seconds and nanoseconds. */
void time_left(i64 *seconds, i64 *nanoseconds);

/* Such a wait was in vain: says so on stderr when it is time for that, and exits with 69 at the limit. */
void run_out_of_time(void);

#endif
