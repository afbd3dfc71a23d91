/* How long a stub waits for a server that does not answer. Without a limit, a caller that runs in the thread of the
 * server itself (spawnSync, execFileSync) would wait forever, without a message. */
#ifndef RSYSCALL_DEADLINE_H
#define RSYSCALL_DEADLINE_H

#include "kernel.h"

/* Limits how long wait_for_event and time_passed let this process wait for its server, all waits together. The
 * limit is the given number of seconds (the value of RSYSCALL_UNIX_STUB_TIMEOUT; 0 without it), or the one that the
 * server has left beside its socket, or 60. Without a call of this there is no limit. */
void start_deadline(const char *variable);

/* Sets the path of the server's socket, for messages and for the server's own limit. */
void set_server_path(const char *path);

/* Lifts the limit: the server has said that it is at work. */
void lift_deadline(void);

int has_deadline(void);

/* Waits for an event of poll(2) on a descriptor, within the limit. */
void wait_for_event(int fd, short events);

/* How long the next wait may take. */
struct timespec time_left(void);

/* To be called after a wait that took all of time_left without success. Prints on stderr what the process waits for
 * when it is time for that, and exits at the limit. */
void time_passed(void);

#endif
