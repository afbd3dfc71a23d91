/* What every process of ours does once it has a socket to its controller. */
#include "serve.h"
#include "arena.h"
#include "ending.h"
#include "kernel.h"
#include "rsyscall/server.h"

/* Shells keep the numbers below 10 for redirections and put their own just above; so far up nobody
 * expects a number to be free. A low RLIMIT_NOFILE refuses it, and then any but stdio must do. */
#define SET_ASIDE_FROM 100

long try_set_aside(int fd)
{
	long aside = sys_fcntl(fd, F_DUPFD_CLOEXEC, SET_ASIDE_FROM);
	return aside < 0 ? sys_fcntl(fd, F_DUPFD_CLOEXEC, 3) : aside;
}

int set_aside(int fd)
{
	long aside = try_set_aside(fd);
	if (aside < 0)
		fail("no descriptor is left", 0, -aside);
	return (int)aside;
}

void serve_on(int handshake, const struct launch *launch, int offers_memory)
{
	/* Reserved now, so that the server knows the numbers without another round trip. */
	struct control_fds fds = {.handshake = handshake, .listening = -1};
	fds.syscall = set_aside(handshake);
	fds.data = set_aside(handshake);
	fds.connection = set_aside(handshake);
	fds.lifeline = set_aside(handshake);
	struct arena arena = {-1, 0, 0};
	if (offers_memory)
		arena = make_arena();
	struct problem problem;
	int has_ring = say_hello(&fds, launch, &arena, &problem);
	if (has_ring == 0)
		has_ring = await_welcome(&fds, &problem);
	if (has_ring < 0)
		fail(problem.what, problem.subject[0] ? problem.subject : 0, problem.error);
	sys_close(fds.handshake);
	if (has_ring && !arena.size)
		fail("the server wants to share memory, and was offered none", 0, 0);
	if (has_ring)
		sys_close(fds.data);
	else
		drop_arena(&arena);
	watch_lifeline(fds.lifeline);

	long error = has_ring ? -rsyscall_serve_ring(fds.syscall, arena.start)
			      : -rsyscall_server(fds.syscall, fds.syscall);
	fail(CONTROLLER_GONE, 0, error);
}
