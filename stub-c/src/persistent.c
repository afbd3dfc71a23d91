/* A process that stays: its controllers come and go, one at a time. Whatever one of them does or fails to
 * do, the next one is served. */
#include "persistent.h"
#include "arena.h"
#include "ending.h"
#include "kernel.h"
#include "rsyscall/server.h"
#include "serve.h"

#define RLIMIT_NOFILE 7
#define SO_PEERCRED 17
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21
#define SIGPIPE 13
#define SIGIO 29
#define SIG_IGN 1
#define SIG_SETMASK 2
#define CLONE_VM 0x100
#define P_ALL 0
#define WNOHANG 1
#define WEXITED 4
#define WNOWAIT 0x01000000
#define WALL 0x40000000

/* Seconds that a client may take for each half of the handshake, unless the listening socket has a time
 * limit of its own (SO_RCVTIMEO). */
#define HANDSHAKE_LIMIT 10

/* What a handshake needs besides the places of its descriptors: those that come with the welcome, or before
 * that the arena, and the client itself. */
#define SPARES 5

/* Memory of former controllers that could not be given back yet. Of more than that, nothing is. */
#define KEPT 16

struct timeval {
	i64 seconds;
	i64 microseconds;
};

/* Which file a descriptor is of: st_dev and st_ino. */
struct identity {
	u64 device;
	u64 inode;
};

struct client {
	const struct launch *launch;
	struct control_fds fds;
	struct identity listening;
	int spares[SPARES];
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

static int identify(int fd, struct identity *identity)
{
	/* struct stat begins with the two, 8 bytes each, on every 64-bit machine. */
	u64 status[32];
	if (syscall6(SYS_newfstatat, fd, (long)"", (long)status, AT_EMPTY_PATH, 0, 0) < 0)
		return 0;
	identity->device = status[0];
	identity->inode = status[1];
	return 1;
}

/* Numbers that this process needs are never free: a controller that leaves no descriptor behind could not
 * be followed by another. Those that are not in use are duplicates of the listening socket. It is the
 * inode that tells: a controller may have closed them, and the number may be something else's. */
static int is_reserve(const struct client *client, int fd)
{
	struct identity found;
	return fd >= 0 && identify(fd, &found) && found.device == client->listening.device &&
	       found.inode == client->listening.inode;
}

/* Nothing can be put at a number that a controller has made too high. */
static int is_within_limit(int fd)
{
	u64 limits[2];
	return syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)limits, 0, 0) < 0 || (u64)fd < limits[0];
}

static int reserve(const struct client *client, int *fd)
{
	if (is_reserve(client, *fd)) {
		if (is_within_limit(*fd))
			return 1;
		sys_close(*fd);
	}
	*fd = (int)try_set_aside(client->fds.listening);
	return *fd >= 0;
}

static void reserve_spares(struct client *client)
{
	for (int i = 0; i < SPARES; i++)
		reserve(client, &client->spares[i]);
}

static int reserve_places(struct client *client)
{
	struct control_fds *fds = &client->fds;
	return reserve(client, &fds->syscall) & reserve(client, &fds->data) &
	       reserve(client, &fds->connection) & reserve(client, &fds->lifeline);
}

static void free_spares(const struct client *client)
{
	for (int i = 0; i < SPARES; i++)
		if (is_reserve(client, client->spares[i]))
			sys_close(client->spares[i]);
}

/* Closes what the client had there. The number stays ours. */
static void take_back(int fd, int listening)
{
	if (syscall6(SYS_dup3, listening, fd, O_CLOEXEC, 0, 0, 0) < 0)
		sys_close(fd);
}

/* The next client, or -1. */
static int next_client(struct client *client)
{
	if (!is_reserve(client, client->fds.listening))
		fail("nobody can connect any more: the socket has been closed", 0, 0);
	if (!reserve_places(client)) {
		pause_shortly();
		return -1;
	}
	reserve_spares(client);
	sys_await_input(client->fds.listening);
	free_spares(client);
	long fd = syscall6(SYS_accept4, client->fds.listening, 0, 0, SOCK_CLOEXEC, 0, 0);
	if (fd < 0 && fd != -EAGAIN && fd != -EINTR)
		pause_shortly();
	return (int)fd;
}

/* By the kernel's word: our own user, and root, which may do with this process what it likes anyway. */
static int may_control(int fd)
{
	struct {
		i32 pid;
		u32 uid, gid;
	} peer;
	u32 size = sizeof peer;
	if (syscall6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&size, 0) < 0)
		return 0;
	return peer.uid == 0 || peer.uid == (u32)syscall6(SYS_geteuid, 0, 0, 0, 0, 0, 0);
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
	fds->handshake = next_client(client);
	if (fds->handshake < 0)
		return;
	int is_welcome = shake_hands(client);
	sys_close(fds->handshake);
	reserve_spares(client);
	if (is_welcome) {
		ignore_sigpipe();
		rsyscall_enter(&place, serve_client, client);
		is_serving = 0;
	}
	take_back(fds->syscall, fds->listening);
	take_back(fds->connection, fds->listening);
	take_back(fds->lifeline, fds->listening);
	/* With a ring there is none, and what the controller may have put there is its own. */
	if (is_welcome && !client->has_ring)
		take_back(fds->data, fds->listening);
	drop_memory(client);
}

void stay(int listening, const struct launch *launch)
{
	struct client client = {.launch = launch, .fds = {-1, -1, -1, -1, -1, listening}};
	/* Not with the terminal, nor with a pipe that the last controller held. Who leads a session has none
	 * to leave. */
	if (syscall6(SYS_setsid, 0, 0, 0, 0, 0, 0) < 0 &&
	    syscall6(SYS_getsid, 0, 0, 0, 0, 0, 0) != syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0))
		fail("cannot begin a session: it leads a process group", 0, 0);
	if (!identify(listening, &client.listening))
		fail("cannot tell which socket this is", 0, 0);
	for (int i = 0; i < SPARES; i++)
		client.spares[i] = -1;
	for (;;)
		serve_next(&client);
}
