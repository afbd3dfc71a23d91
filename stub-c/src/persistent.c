/* A process that stays: its controllers come and go, one at a time. Whatever one of them does or fails to
 * do, the next one is served. */
#include "persistent.h"
#include "arena.h"
#include "ending.h"
#include "kernel.h"
#include "rsyscall/server.h"
#include "serve.h"

#define SO_RCVTIMEO 20
#define SO_ACCEPTCONN 30
#define SIGPIPE 13
#define SIGIO 29
#define SIG_SETMASK 2
#define CLONE_VM 0x100
#define P_ALL 0
#define WNOHANG 1
#define WEXITED 4
#define WNOWAIT 0x01000000
#define WALL 0x40000000

/* Clients that may wait. */
#define BACKLOG 16

/* Seconds that a client may take for each half of the handshake, unless the listening socket has a time
 * limit of its own (SO_RCVTIMEO). */
#define HANDSHAKE_LIMIT 10

/* Where to look for numbers, and where else if RLIMIT_NOFILE is low: see set_aside. */
#define FIRST_CHOICE 100
#define LAST_CHOICE 3

/* What is behind the number of the listening socket: what a handshake needs, which is those that come with
 * the welcome, or before that the arena, and the client itself; then the places of the descriptors. */
enum {
	SPARES = RSYSCALL_SPARES,
	SYSCALL = SPARES + 1,
	DATA,
	CONNECTION,
	LIFELINE,
	OWN,
};

/* Memory of former controllers that could not be given back yet. Of more than that, nothing is. */
#define KEPT 16

struct client {
	const struct launch *launch;
	struct control_fds fds;
	struct arena arena;
	int has_ring;
	struct arena kept[KEPT];
};

/* Where the handler of the lifeline's signal finds what it is about. */
static volatile int is_serving;
static int lifeline_fd;
static unsigned long place;

static void pause_shortly(void)
{
	struct timespec time = {0, 100000000};
	sys_ppoll(0, 0, &time);
}

/* Whether there is something to read within a time. */
static int comes_within(int fd, struct timeval limit)
{
	struct pollfd poll = {fd, POLLIN, 0};
	/* The kernel takes off what has passed. */
	struct timespec time = {limit.seconds, limit.microseconds * 1000};
	long result;
	do
		result = sys_ppoll(&poll, 1, &time);
	while (result == -EINTR);
	return result == 1;
}

/* As many numbers in a row as this process needs. They are never free: a controller that leaves no descriptor
 * behind could not be followed by another. Those that are not in use are duplicates of the listening
 * socket. The first one, or an error. */
static long take_numbers(int listening, long from)
{
	for (;;) {
		long first = sys_fcntl(listening, F_DUPFD_CLOEXEC, from);
		if (first < 0)
			return first;
		long next = first;
		int count = 0;
		while (next == first + count && ++count < OWN)
			next = sys_fcntl(listening, F_DUPFD_CLOEXEC, first + count);
		if (count == OWN)
			return first;
		if (next >= 0)
			sys_close((int)next);
		while (count)
			sys_close((int)first + --count);
		if (next < 0)
			return next;
		from = next;
	}
}

static long take_any_numbers(int listening)
{
	long first = take_numbers(listening, FIRST_CHOICE);
	return first < 0 ? take_numbers(listening, LAST_CHOICE) : first;
}

static void set_numbers(struct control_fds *fds, int first)
{
	fds->listening = first;
	fds->syscall = first + SYSCALL;
	fds->data = first + DATA;
	fds->connection = first + CONNECTION;
	fds->lifeline = first + LIFELINE;
}

/* Closes whatever a controller has there. The numbers stay ours, unless there is an error. */
static int take_back(const struct control_fds *fds, int from, int to)
{
	for (int fd = fds->listening + from; fd < fds->listening + to; fd++)
		if (syscall6(SYS_dup3, fds->listening, fd, O_CLOEXEC, 0, 0, 0) < 0)
			return 0;
	return 1;
}

static void close_numbers(int from, int to)
{
	for (int fd = from; fd < to; fd++)
		sys_close(fd);
}

/* Whether all is as before the first controller. Nothing can be put at a number that one of them has made
 * too high (RLIMIT_NOFILE): then others must do. */
static int is_ready(struct control_fds *fds)
{
	if (take_back(fds, 1, OWN))
		return 1;
	int former = fds->listening;
	close_numbers(former + 1, former + OWN);
	long first = take_any_numbers(former);
	if (first < 0)
		return 0;
	sys_close(former);
	set_numbers(fds, (int)first);
	return 1;
}

static int is_listening(int fd)
{
	i32 listens = 0;
	u32 size = sizeof listens;
	return syscall6(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, (long)&listens, (long)&size, 0) == 0 &&
	       listens;
}

/* The next client, or -1. */
static int next_client(struct control_fds *fds)
{
	if (!is_listening(fds->listening))
		fail("nobody can connect any more: the socket has been closed", 0, 0);
	if (!is_ready(fds)) {
		pause_shortly();
		return -1;
	}
	sys_await_input(fds->listening);
	close_numbers(fds->listening + 1, fds->listening + 1 + SPARES);
	long fd = syscall6(SYS_accept4, fds->listening, 0, 0, SOCK_CLOEXEC, 0, 0);
	if (fd < 0 && fd != -EAGAIN && fd != -EINTR)
		pause_shortly();
	return (int)fd;
}

/* By the kernel's word: our own user, and root, which may do with this process what it likes anyway. */
static int may_control(int fd)
{
	u32 peer = sys_peer_uid(fd);
	return peer == 0 || peer == (u32)syscall6(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}

static struct timeval time_limit(int listening)
{
	struct timeval limit = {0, 0};
	u32 size = sizeof limit;
	syscall6(SYS_getsockopt, listening, SOL_SOCKET, SO_RCVTIMEO, (long)&limit, (long)&size, 0);
	if (!limit.seconds && !limit.microseconds)
		limit.seconds = HANDSHAKE_LIMIT;
	return limit;
}

/* Whether the client is one to serve, and its descriptors are in their places. */
static int shake_hands(struct client *client)
{
	int fd = client->fds.handshake;
	struct timeval limit = time_limit(client->fds.listening);
	struct problem problem;
	if (!may_control(fd))
		return 0;
	/* A client that neither reads nor writes holds up others no longer than that. */
	syscall6(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, (long)&limit, sizeof limit, 0);
	syscall6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, (long)&limit, sizeof limit, 0);
	client->arena = make_arena();
	if (say_hello(&client->fds, client->launch, &client->arena, &problem) < 0 || !comes_within(fd, limit))
		return 0;
	client->has_ring = await_welcome(&client->fds, &problem);
	return client->has_ring == 0 || (client->has_ring == 1 && client->arena.size);
}

/* The call that this process is in, whatever it is, belongs to somebody who is gone. To have it end with
 * EINTR would not be enough: the signal may come just before it begins, and then it would begin and never
 * end. So the server is left where it is. It has nothing but its stack. */
static void on_lifeline(int signal, void *info, void *context)
{
	(void)signal, (void)info;
	if (!is_serving || !lifeline_has_closed(lifeline_fd))
		return;
	if (context)
		syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)context + UCONTEXT_SIGMASK, 0, sizeof(u64), 0, 0);
	rsyscall_leave(&place, 0);
}

static long serve_client(void *argument)
{
	struct client *client = argument;
	lifeline_fd = client->fds.lifeline;
	is_serving = 1;
	/* What the kernel sends instead where no signal can be queued (RLIMIT_SIGPENDING): fcntl(2). */
	handle_signal(SIGIO, on_lifeline);
	watch_lifeline_with(lifeline_fd, on_lifeline);
	long result = client->has_ring ? rsyscall_serve_ring(client->fds.syscall, client->arena.start)
				       : rsyscall_server(client->fds.syscall, client->fds.syscall);
	is_serving = 0;
	return result;
}

/* Whether nobody shares this memory: children of a controller's may be in calls that have not ended, on
 * stacks in its arena. */
static int is_alone(void)
{
	u8 info[128];
	/* It is EINVAL for who shares, and nothing is done for who does not. */
	long result = syscall6(SYS_unshare, CLONE_VM, 0, 0, 0, 0, 0);
	if (result == 0 || result == -EINVAL)
		return result == 0;
	/* A filter of system calls refuses to tell. */
	return syscall6(SYS_waitid, P_ALL, 0, (long)info, WEXITED | WNOHANG | WNOWAIT | WALL, 0, 0) == -ECHILD;
}

static void drop_memory(struct client *client)
{
	int may_drop = is_alone();
	for (int i = 0; i < KEPT && client->arena.size; i++)
		if (!client->kept[i].size) {
			client->kept[i] = client->arena;
			client->arena.size = 0;
		}
	for (int i = 0; i < KEPT && may_drop; i++)
		drop_arena(&client->kept[i]);
	if (may_drop)
		drop_arena(&client->arena);
	client->arena.size = 0;
}

/* Which the last controller may have changed. */
static void ignore_sigpipe(void)
{
	struct {
		u64 handler, flags, restorer, mask;
	} ignore = {SIG_IGN, 0, 0, 0};
	syscall6(SYS_rt_sigaction, SIGPIPE, (long)&ignore, 0, sizeof ignore.mask, 0, 0);
}

static void serve_next(struct client *client)
{
	struct control_fds *fds = &client->fds;
	fds->handshake = next_client(fds);
	if (fds->handshake < 0)
		return;
	int is_welcome = shake_hands(client);
	sys_close(fds->handshake);
	take_back(fds, 1, 1 + SPARES);
	if (is_welcome) {
		ignore_sigpipe();
		rsyscall_enter(&place, serve_client, client);
		is_serving = 0;
	}
	drop_memory(client);
}

void stay(int listening, const struct launch *launch)
{
	struct client client = {.launch = launch};
	/* Not with the terminal, nor with a pipe that the last controller held. Who leads a session has none
	 * to leave. */
	if (syscall6(SYS_setsid, 0, 0, 0, 0, 0, 0) < 0 &&
	    syscall6(SYS_getsid, 0, 0, 0, 0, 0, 0) != syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0))
		fail("cannot begin a session: it leads a process group", 0, 0);
	/* From now on SO_PEERCRED of its clients names this process, and no longer the controller that made it. */
	syscall6(SYS_listen, listening, BACKLOG, 0, 0, 0, 0);
	long first = take_any_numbers(listening);
	if (first < 0)
		fail("no descriptor is left", 0, -first);
	sys_close(listening);
	set_numbers(&client.fds, (int)first);
	for (;;)
		serve_next(&client);
}
