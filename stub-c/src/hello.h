#ifndef RSYSCALL_HELLO_H
#define RSYSCALL_HELLO_H

#include "arena.h"

/* What the kernel gave this program at its start. */
struct launch {
	char **argv;
	char **environment;
	const char *execfn; /* the path that was executed (AT_EXECFN), or 0 */
	unsigned page_size;
	int is_secure; /* AT_SECURE: it has got rights that its caller has not */
};

/* Numbers of the descriptors that are ours and not the caller's. */
struct control_fds {
	int handshake, syscall, data, connection, lifeline;
	int listening; /* -1: it does not listen */
};

/* Why there is nobody to serve, as `fail` takes it. */
struct problem {
	const char *what;
	char subject[256];
	long error;
};

/* Sends the description of this process on fds->handshake, and the arena's descriptor, which is closed
 * then. Returns -1 if there is a problem. */
int say_hello(const struct control_fds *fds, const struct launch *launch, struct arena *arena,
	      struct problem *problem);

/* Waits for the server's answer, and puts the descriptors that come with it in their places. Returns
 * whether requests will come through the ring; -1 if there is a problem, and then no descriptor is left
 * of what came, but for those that are in their places. */
int await_welcome(const struct control_fds *fds, struct problem *problem);

#endif
