#ifndef RSYSCALL_HELLO_H
#define RSYSCALL_HELLO_H

#include "arena.h"

/* What the kernel gave this program at its start. */
struct launch {
	char **argv;
	char **environment;
	const char *execfn; /* the path that was executed (AT_EXECFN), or 0 */
	unsigned page_size;
};

/* Numbers of the descriptors that are ours and not the caller's. */
struct control_fds {
	int handshake, syscall, data, connection, lifeline;
};

/* Sends the description of this process on fds->handshake, and the arena's descriptor, which is closed
 * then. */
void say_hello(const struct control_fds *fds, const struct launch *launch, struct arena *arena);

/* Waits for the server's answer, and puts the descriptors that come with it in their places.
 * Closes fds->handshake, which has then done its work. Returns whether requests will come through the
 * ring. */
int await_welcome(const struct control_fds *fds);

#endif
