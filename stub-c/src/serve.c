/* What every process of ours does once it has a socket to its controller. */
#include "serve.h"
#include "arena.h"
#include "ending.h"
#include "kernel.h"
#include "rsyscall/server.h"

/* Shells keep the numbers below 10 for redirections and put their own just above; so far up nobody
 * expects a number to be free. A low RLIMIT_NOFILE refuses it, and then any but stdio must do. */
#define SET_ASIDE_FROM 100

int set_aside(int fd)
{
	long aside = sys_fcntl(fd, F_DUPFD_CLOEXEC, SET_ASIDE_FROM);
	if (aside < 0)
		aside = sys_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (aside < 0)
		fail("no descriptor is left", 0, -aside);
	return (int)aside;
}

void serve_on(int handshake, const struct launch *launch, int offers_memory)
{
	/* Reserved now, so that the server knows the numbers without another round trip. */
	struct control_fds fds = {.handshake = handshake};
	fds.syscall = set_aside(handshake);
	fds.data = set_aside(handshake);
	fds.connection = set_aside(handshake);
	fds.lifeline = set_aside(handshake);
	struct arena arena = {-1, 0, 0};
	if (offers_memory)
		arena = make_arena();
	say_hello(&fds, launch, &arena);
	int has_ring = await_welcome(&fds);
	if (has_ring && !arena.size)
		fail("the server wants to share memory, and was offered none", 0, 0);
	if (!has_ring)
		drop_arena(&arena);
	watch_lifeline(fds.lifeline);

	long error = has_ring ? -rsyscall_serve_ring(fds.syscall, arena.start)
			      : -rsyscall_server(fds.syscall, fds.syscall);
	fail(CONTROLLER_GONE, 0, error);
}
