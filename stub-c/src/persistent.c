/* A process that outlives its controllers, which connect one at a time. Whatever one controller does or fails to do,
 * the next one is served. */
#include "persistent.h"
#include "arena.h"
#include "ending.h"
#include "rsyscall/operation.h"
#include "serve.h"
#include "sys.h"

/* Clients that may wait in the queue of the socket. */
#define BACKLOG 16

/* Seconds that a client may take for each half of the handshake, unless the listening socket has a time limit of its
 * own (SO_RCVTIMEO). */
#define HANDSHAKE_LIMIT 10

/* The time between two attempts after an error that may pass. */
#define RETRY_NANOSECONDS 100000000

/* Offsets of reserved numbers from that of the listening socket: first those that a handshake needs (for the
 * descriptors that come with the welcome; before that for the arena and the client), then the places of the
 * descriptors that the hello announces. */
enum {
	SPARES = RSYSCALL_SPARES,
	SYSCALL = SPARES + 1,
	DATA,
	CONNECTION,
	LIFELINE,
	RESERVED,
};

/* Arenas of former controllers that are kept until they can be unmapped. When there are more, they stay mapped. */
#define KEPT_ARENAS 16

struct client {
	const struct launch *launch;
	struct control_fds fds;
	struct arena arena;
	int has_ring;
	struct arena kept[KEPT_ARENAS];
};

/* For the handler of the lifeline's signal. */
static volatile int is_serving;
static int lifeline_fd;
static unsigned long place;

static void pause_shortly(void)
{
	struct timespec time = {0, RETRY_NANOSECONDS};
	sys_ppoll(0, 0, &time, 0);
}

/* Whether a socket has something to read within a time. */
static int has_input_within(int fd, struct timeval limit)
{
	struct pollfd poll = {fd, POLLIN, 0};
	/* The kernel subtracts the time that has passed. */
	struct timespec time = {limit.seconds, limit.microseconds * 1000};
	long result;
	do
		result = sys_ppoll(&poll, 1, &time, 0);
	while (result == -EINTR);
	return result == 1;
}

/* Reserves the numbers that this process needs, in a row, by duplicates of the listening socket. They are never free:
 * if one controller left no number free, no other could follow. Returns the first number, or -errno. */
static int reserve_numbers_from(int listening, int from)
{
	for (;;) {
		int first = sys_fcntl(listening, F_DUPFD_CLOEXEC, from);
		if (first < 0)
			return first;
		int next = first;
		int count = 0;
		while (next == first + count && ++count < RESERVED)
			next = sys_fcntl(listening, F_DUPFD_CLOEXEC, first + count);
		if (count == RESERVED)
			return first;
		if (next >= 0)
			sys_close(next);
		while (count)
			sys_close(first + --count);
		if (next < 0)
			return next;
		from = next;
	}
}

static int reserve_numbers(int listening)
{
	int first = reserve_numbers_from(listening, HIGH_FDS);
	return first < 0 ? reserve_numbers_from(listening, LOW_FDS) : first;
}

static void set_numbers(struct control_fds *fds, int first)
{
	fds->listening = first;
	fds->syscall = first + SYSCALL;
	fds->data = first + DATA;
	fds->connection = first + CONNECTION;
	fds->lifeline = first + LIFELINE;
}

/* Closes what a controller has at reserved numbers, and reserves them again. Returns 0 if that is refused. */
static int reclaim_numbers(const struct control_fds *fds, int from, int to)
{
	for (int fd = fds->listening + from; fd < fds->listening + to; fd++)
		if (sys_dup3(fds->listening, fd, O_CLOEXEC) < 0)
			return 0;
	return 1;
}

static void close_numbers(int from, int to)
{
	for (int fd = from; fd < to; fd++)
		sys_close(fd);
}

/* Makes the reserved numbers as they were before the first controller. A controller may have lowered RLIMIT_NOFILE
 * below them; then other numbers are reserved. Returns 0 if none are left. */
static int restore_numbers(struct control_fds *fds)
{
	if (reclaim_numbers(fds, 1, RESERVED))
		return 1;
	int former = fds->listening;
	close_numbers(former + 1, former + RESERVED);
	int first = reserve_numbers(former);
	if (first < 0)
		return 0;
	sys_close(former);
	set_numbers(fds, first);
	return 1;
}

/* Accepts the next client. Returns -1 if that failed. */
static int accept_client(struct control_fds *fds)
{
	if (socket_option(fds->listening, SO_ACCEPTCONN) != 1)
		fail("cannot accept another controller: the listening socket was closed", 0, 0);
	if (!restore_numbers(fds)) {
		pause_shortly();
		return -1;
	}
	wait_for_input(fds->listening);
	close_numbers(fds->listening + 1, fds->listening + 1 + SPARES);
	int fd = sys_accept4(fds->listening, SOCK_CLOEXEC);
	if (fd < 0 && fd != -EAGAIN && fd != -EINTR)
		pause_shortly();
	return fd;
}

/* The client's user must be this process's effective user, or root, which may control this process anyway. */
static int may_control(int fd)
{
	u32 peer = peer_uid(fd);
	return peer == 0 || peer == sys_geteuid();
}

static struct timeval time_limit(int listening)
{
	struct timeval limit = {0, 0};
	u32 size = sizeof limit;
	sys_getsockopt(listening, SO_RCVTIMEO, &limit, &size);
	if (!limit.seconds && !limit.microseconds)
		limit.seconds = HANDSHAKE_LIMIT;
	return limit;
}

/* Whether the client completed the handshake, and its descriptors are placed. */
static int shake_hands(struct client *client)
{
	int fd = client->fds.handshake;
	struct timeval limit = time_limit(client->fds.listening);
	struct problem problem;
	if (!may_control(fd))
		return 0;
	/* A client that neither reads nor writes delays others no longer than that. */
	sys_setsockopt(fd, SO_SNDTIMEO, &limit, sizeof limit);
	sys_setsockopt(fd, SO_RCVTIMEO, &limit, sizeof limit);
	client->arena = make_arena();
	struct rsyscall_welcome welcome;
	struct hello hello;
	make_hello(&hello, &client->fds, client->launch, &client->arena, NO_ANSWERS);
	if (send_hello(&hello, &client->arena, &problem) < 0 || !has_input_within(fd, limit) ||
	    receive_welcome(&client->fds, NO_ANSWERS, &welcome, &problem) < 0)
		return 0;
	client->has_ring = (welcome.flags & RSYSCALL_RING) != 0;
	return !client->has_ring || client->arena.size;
}

/* Abandons the call that this process is in, because its controller is gone. To return, and let the call end with
 * EINTR, would not be enough: the signal may come just before the call begins, and then it would begin and never end.
 * So the handler jumps out of the server, which has no state but its stack. */
static void on_lifeline(int signal, void *info, void *context)
{
	(void)signal, (void)info;
	if (!is_serving || !lifeline_has_closed(lifeline_fd))
		return;
	if (context)
		sys_sigprocmask(SIG_SETMASK, (const u64 *)((u8 *)context + UCONTEXT_SIGMASK), 0);
	rsyscall_leave(&place, 0);
}

static long serve_client(void *argument)
{
	struct client *client = argument;
	lifeline_fd = client->fds.lifeline;
	is_serving = 1;
	/* The kernel sends SIGIO instead if no signal can be queued (RLIMIT_SIGPENDING): fcntl(2). */
	handle_signal(SIGIO, on_lifeline);
	watch_lifeline_with(lifeline_fd, on_lifeline);
	long result = client->has_ring ? rsyscall_ring_server(client->fds.syscall, client->arena.start)
				       : rsyscall_server(client->fds.syscall, client->fds.syscall);
	is_serving = 0;
	return result;
}

/* Whether no other process shares this memory. Children of a controller may be in calls that have not ended, on stacks
 * in its arena. */
static int is_alone_in_memory(void)
{
	u8 info[SIGINFO_SIZE];
	/* unshare(2) fails with EINVAL if the memory is shared, and does nothing otherwise. */
	int result = sys_unshare(CLONE_VM);
	if (result == 0 || result == -EINVAL)
		return result == 0;
	/* A seccomp filter refuses that call. Without children the memory is not shared. */
	return sys_waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT | WALL) == -ECHILD;
}

/* Unmaps the arena of a former controller, or keeps it for later. */
static void release_arena(struct client *client)
{
	int may_unmap = is_alone_in_memory();
	for (int i = 0; i < KEPT_ARENAS && client->arena.size; i++)
		if (!client->kept[i].size) {
			client->kept[i] = client->arena;
			client->arena.size = 0;
		}
	for (int i = 0; i < KEPT_ARENAS && may_unmap; i++)
		unmap_arena(&client->kept[i]);
	if (may_unmap)
		unmap_arena(&client->arena);
	client->arena.size = 0;
}

static void serve_next(struct client *client)
{
	struct control_fds *fds = &client->fds;
	fds->handshake = accept_client(fds);
	if (fds->handshake < 0)
		return;
	int is_accepted = shake_hands(client);
	sys_close(fds->handshake);
	reclaim_numbers(fds, 1, 1 + SPARES);
	if (is_accepted) {
		/* The last controller may have changed that. */
		set_disposition(SIGPIPE, SIG_IGN);
		rsyscall_enter(&place, serve_client, client);
		is_serving = 0;
	}
	release_arena(client);
}

void serve_controllers(int listening, const struct launch *launch)
{
	struct client client = {.launch = launch};
	/* A session of its own, so that it does not end with the terminal. A session leader keeps its session. */
	if (sys_setsid() < 0 && sys_getsid() != sys_getpid())
		fail("cannot begin a session: this process leads a process group", 0, 0);
	/* After this SO_PEERCRED names this process to its clients, and no longer the controller that made the socket. */
	sys_listen(listening, BACKLOG);
	int first = reserve_numbers(listening);
	if (first < 0)
		fail("cannot reserve descriptors", 0, -first);
	sys_close(listening);
	set_numbers(&client.fds, first);
	for (;;)
		serve_next(&client);
}
