/* The handshake: who we are, and whether we are wanted. */
#include "hello.h"
#include "ending.h"
#include "kernel.h"
#include "patience.h"
#include "rsyscall/server.h"
#include "text.h"

#define FDS_AT_MOST 1024
#define PATH_SIZE 4096

/* A message's ancillary data with descriptors: cmsg(3). */
struct rights {
	struct cmsghdr header;
	i32 fds[4];
};

static int cannot(struct problem *problem, const char *what, long error)
{
	problem->what = what;
	problem->subject[0] = 0;
	problem->error = error;
	return -1;
}

static int is_control(const struct control_fds *fds, int fd)
{
	return fd == fds->handshake || fd == fds->syscall || fd == fds->data || fd == fds->connection ||
	       fd == fds->lifeline || fd == fds->listening;
}

/* Lists what the caller left open. More than fits in the list, like no /proc, is "unknown". */
static u32 list_fds(const struct control_fds *control, int arena_fd, i32 *fds)
{
	struct {
		u64 inode;
		i64 offset;
		u16 length;
		u8 type;
		char name[];
	} *entry;
	char buffer[4096];
	u32 count = 0;
	long directory = sys_openat("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return RSYSCALL_FDS_UNKNOWN;
	for (;;) {
		long got = syscall6(SYS_getdents64, directory, (long)buffer, sizeof buffer, 0, 0, 0);
		if (got <= 0)
			break;
		for (long at = 0; at < got; at += entry->length) {
			int fd = 0;
			entry = (void *)(buffer + at);
			if (entry->name[0] == '.')
				continue;
			for (const char *digit = entry->name; *digit; digit++)
				fd = fd * 10 + (*digit - '0');
			if (fd == directory || fd == arena_fd || is_control(control, fd))
				continue;
			if (count == FDS_AT_MOST) {
				sys_close((int)directory);
				return RSYSCALL_FDS_UNKNOWN;
			}
			fds[count++] = fd;
		}
	}
	sys_close((int)directory);
	return count;
}

static u64 namespace_id(const char *name)
{
	/* struct stat begins with st_dev and st_ino, 8 bytes each, on every 64-bit machine. */
	u64 status[32];
	char path[32] = "/proc/self/ns/";
	append(path, sizeof path, name);
	return syscall6(SYS_newfstatat, AT_FDCWD, (long)path, (long)status, 0, 0, 0) < 0 ? 0 : status[1];
}

/* The strings of argv and of the environment lie one behind the other, as execve(2) laid them out.
 * Sent from where they are: 2 MB of environment need no memory here. */
static u64 strings_size(char **strings, u32 *count)
{
	char **last = strings;
	if (!*strings)
		return 0;
	while (last[1])
		last++;
	*count = (u32)(last - strings) + 1;
	return (u64)(*last - *strings) + length_of(*last) + 1;
}

/* passed: a descriptor that goes along, or -1. Returns an error. */
static long send_hello(int fd, struct iovec *parts, u64 count, int passed)
{
	struct rights rights = {{sizeof rights.header + sizeof rights.fds[0], SOL_SOCKET, SCM_RIGHTS}, {passed}};
	/* The length of the ancillary data is rounded up to words, that of the header is not: cmsg(3). */
	u64 rights_size = passed < 0 ? 0 : sizeof rights.header + sizeof(u64);
	while (count) {
		struct msghdr message = {0, 0, parts, count, rights_size ? &rights : 0, rights_size, 0};
		long sent = syscall6(SYS_sendmsg, fd, (long)&message, MSG_NOSIGNAL, 0, 0, 0);
		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN && is_limited()) {
			await(fd, POLLOUT);
			continue;
		}
		/* A server that refuses closes before it has read everything; its answer says why. */
		if (sent == -EPIPE)
			return 0;
		if (sent < 0)
			return sent;
		rights_size = 0; /* it went with the first byte */
		while (count && (u64)sent >= parts->length) {
			sent -= (long)parts->length;
			parts++;
			count--;
		}
		if (count) {
			parts->base = (const u8 *)parts->base + sent;
			parts->length -= (u64)sent;
		}
	}
	return 0;
}

int say_hello(const struct control_fds *control, const struct launch *launch, struct arena *arena,
	      struct problem *problem)
{
	i32 fds[FDS_AT_MOST];
	char cwd[PATH_SIZE];
	long cwd_size = syscall6(SYS_getcwd, (long)cwd, sizeof cwd, 0, 0, 0, 0); /* with its NUL */
	/* Outside of our root the kernel writes "(unreachable)" before a path that names nothing here. */
	if (cwd_size > 0 && cwd[0] != '/')
		cwd_size = 0;
	struct rsyscall_hello hello = {
		.magic = {'r', 's', 'y', 's', 'c', 'a', 'l', 'l'},
		.version = RSYSCALL_VERSION,
		.machine = RSYSCALL_MACHINE,
		.size = sizeof hello,
		.fd_count = list_fds(control, arena->fd, fds),
		.cwd_size = cwd_size > 0 ? (u32)cwd_size - 1 : 0,
		.execfn_size = launch->execfn ? (u32)length_of(launch->execfn) : 0,
		.page_size = launch->page_size,
		.pid = (i32)syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0),
		.ppid = (i32)syscall6(SYS_getppid, 0, 0, 0, 0, 0, 0),
		.uid = (u32)syscall6(SYS_getuid, 0, 0, 0, 0, 0, 0),
		.gid = (u32)syscall6(SYS_getgid, 0, 0, 0, 0, 0, 0),
		.syscall_fd = control->syscall,
		.data_fd = control->data,
		.connection_fd = control->connection,
		.lifeline_fd = control->lifeline,
		.listening_fd = control->listening < 0 ? 0 : control->listening,
		.namespaces = {
			[RSYSCALL_NS_CGROUP] = namespace_id("cgroup"),
			[RSYSCALL_NS_IPC] = namespace_id("ipc"),
			[RSYSCALL_NS_MNT] = namespace_id("mnt"),
			[RSYSCALL_NS_NET] = namespace_id("net"),
			[RSYSCALL_NS_PID] = namespace_id("pid"),
			[RSYSCALL_NS_TIME] = namespace_id("time"),
			[RSYSCALL_NS_USER] = namespace_id("user"),
			[RSYSCALL_NS_UTS] = namespace_id("uts"),
		},
		.server_symbol = (u64)rsyscall_server,
		.arena_address = (u64)arena->start,
		.arena_size = arena->size,
	};
	hello.argv_size = strings_size(launch->argv, &hello.argc);
	hello.envp_size = strings_size(launch->environment, &hello.envc);
	if (is_ignored(LIFELINE_SIGNAL))
		hello.ignored = 1ul << (LIFELINE_SIGNAL - 1);
	syscall6(SYS_rt_sigprocmask, 0, 0, (long)&hello.sigmask, sizeof hello.sigmask, 0, 0);

	struct iovec parts[] = {
		{&hello, sizeof hello},
		{launch->argv[0], hello.argv_size},
		{launch->environment[0], hello.envp_size},
		{cwd, hello.cwd_size},
		{launch->execfn, hello.execfn_size},
		{fds, hello.fd_count == RSYSCALL_FDS_UNKNOWN ? 0 : hello.fd_count * sizeof fds[0]},
	};
	long error = send_hello(control->handshake, parts, sizeof parts / sizeof parts[0], arena->fd);
	if (arena->fd >= 0)
		sys_close(arena->fd);
	arena->fd = -1;
	return error ? cannot(problem, "cannot say hello to the server", -error) : 0;
}

/* Puts the descriptors that came in their places. Returns an error. */
static long put(const i32 *fds, u32 count, const struct control_fds *control)
{
	const int places[] = {control->syscall, control->connection, control->lifeline, control->data};
	for (u32 i = 0; i < count; i++) {
		long result = syscall6(SYS_dup3, fds[i], places[i], O_CLOEXEC, 0, 0, 0);
		if (result < 0)
			return result;
	}
	return 0;
}

/* What has come on the socket. */
struct answer {
	struct rsyscall_welcome welcome;
	struct rights rights;
	u32 fd_count;
	u32 flags;
	long got; /* bytes of the welcome, or an error */
};

static void receive(int fd, struct answer *answer)
{
	struct iovec part = {&answer->welcome, sizeof answer->welcome};
	struct msghdr message = {0, 0, &part, 1, &answer->rights, sizeof answer->rights, 0};
	const struct cmsghdr *header = &answer->rights.header;

	await(fd, POLLIN);
	do
		answer->got = syscall6(SYS_recvmsg, fd, (long)&message, MSG_WAITALL | MSG_CMSG_CLOEXEC, 0, 0, 0);
	while (answer->got == -EINTR);
	answer->flags = message.flags;
	answer->fd_count = 0;
	if (answer->got >= 0 && message.control_length >= sizeof *header && header->level == SOL_SOCKET &&
	    header->type == SCM_RIGHTS)
		answer->fd_count = (u32)((header->length - sizeof *header) / sizeof answer->rights.fds[0]);
}

/* Whether requests will come through the ring; -1 if there is a problem. */
static int heed(const struct answer *answer, const struct control_fds *control, struct problem *problem)
{
	const struct rsyscall_welcome *welcome = &answer->welcome;
	if (answer->got < 0)
		return cannot(problem, "no answer from the server", -answer->got);
	if (answer->got != sizeof *welcome)
		return cannot(problem, "the server hung up before it answered", 0);
	for (u32 i = 0; i < sizeof welcome->magic; i++)
		if (welcome->magic[i] != (u8)RSYSCALL_MAGIC[i])
			return cannot(problem, "what answers on the socket is no rsyscall server", 0);
	if (welcome->status != RSYSCALL_ACCEPTED) {
		u64 size = sizeof problem->subject - 1;
		cannot(problem, "the server refused this call:", 0);
		long got = sys_recv(control->handshake, problem->subject,
				    welcome->message_size < size ? welcome->message_size : size);
		problem->subject[got > 0 ? got : 0] = 0;
		return -1;
	}
	/* The kernel drops descriptors for which a low RLIMIT_NOFILE leaves no number. */
	if (answer->flags & MSG_CTRUNC)
		return cannot(problem, "no descriptor is left", 0);
	int has_ring = (welcome->flags & RSYSCALL_RING) != 0;
	if (welcome->version != RSYSCALL_VERSION || answer->fd_count != (has_ring ? 3 : 4))
		return cannot(problem, "the server's welcome is not one that this stub understands", 0);
	long error = put(answer->rights.fds, answer->fd_count, control);
	return error ? cannot(problem, "cannot place a descriptor of the server's", -error) : has_ring;
}

int await_welcome(const struct control_fds *control, struct problem *problem)
{
	struct answer answer;
	receive(control->handshake, &answer);
	int has_ring = heed(&answer, control, problem);
	for (u32 i = 0; i < answer.fd_count; i++)
		sys_close(answer.rights.fds[i]);
	return has_ring;
}
