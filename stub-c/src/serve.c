#include "serve.h"
#include "answer.h"
#include "arena.h"
#include "ending.h"
#include "rsyscall/operation.h"
#include "sys.h"

int dup_high(int fd)
{
	int high = sys_fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FDS);
	if (high < 0)
		high = sys_fcntl(fd, F_DUPFD_CLOEXEC, LOW_FDS);
	if (high < 0)
		fail("cannot duplicate a descriptor", 0, -high);
	return high;
}

void serve_on(int handshake, connector *connect, const struct launch *launch, int offers_memory, u64 answers)
{
	/* These numbers are reserved before the hello announces them, so that the server may use them at once. */
	struct control_fds fds = {.handshake = handshake, .listening = -1};
	fds.syscall = dup_high(handshake);
	fds.data = dup_high(handshake);
	fds.connection = dup_high(handshake);
	fds.lifeline = dup_high(handshake);
	struct arena arena = {-1, 0, 0};
	if (offers_memory)
		arena = make_arena();
	struct problem problem;
	struct rsyscall_welcome welcome;
	struct hello hello;
	make_hello(&hello, &fds, launch, &arena, answers);
	if (connect)
		connect(handshake, launch);
	if (send_hello(&hello, &arena, &problem) < 0 || receive_welcome(&fds, answers, &welcome, &problem) < 0)
		fail(problem.what, problem.subject[0] ? problem.subject : 0, problem.error);
	if (welcome.status == RSYSCALL_REPLY)
		reply(fds.handshake, &arena);
	if (welcome.status == RSYSCALL_EXEC)
		become_program(fds.handshake, welcome.message_size, launch);
	sys_close(fds.handshake);
	int has_ring = (welcome.flags & RSYSCALL_RING) != 0;
	if (has_ring && !arena.size)
		fail("the server asked for shared memory, which this process did not offer", 0, 0);
	if (has_ring)
		sys_close(fds.data);
	else
		unmap_arena(&arena);
	watch_lifeline(fds.lifeline);

	long result =
		has_ring ? rsyscall_ring_server(fds.syscall, arena.start) : rsyscall_server(fds.syscall, fds.syscall);
	fail(CONTROLLER_GONE, 0, -result);
}
