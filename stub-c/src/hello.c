#include "hello.h"
#include "deadline.h"
#include "ending.h"
#include "rsyscall/descriptors.h"
#include "rsyscall/operation.h"
#include "sys.h"
#include "text.h"

/* Descriptors that come with a welcome, at most. */
#define WELCOME_FDS 4

/* Ancillary data of a message with descriptors: cmsg(3). */
struct rights {
	struct cmsghdr header;
	i32 fds[WELCOME_FDS];
};

static int set_problem(struct problem *problem, const char *what, long error)
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

static int add_fd(void *context, int fd)
{
	struct hello *hello = context;
	if (fd == hello->arena_fd || is_control(hello->control, fd))
		return 0;
	if (hello->fd_count == LISTED_FDS_AT_MOST)
		return 1;
	hello->fds[hello->fd_count++] = fd;
	return 0;
}

/* Descriptors of these numbers are tried one by one. Most callers leave no others open. */
#define TRIED_FDS 64

/* How many of our own have higher numbers. */
static u64 high_control_fds(const struct control_fds *fds)
{
	const int own[] = {fds->handshake, fds->syscall, fds->data, fds->connection, fds->lifeline, fds->listening};
	u64 count = 0;
	for (u64 i = 0; i < sizeof own / sizeof own[0]; i++)
		count += own[i] >= TRIED_FDS;
	return count;
}

/* Lists descriptors if none but ours has a high number. Returns 0 if so. That takes less than half as long as to read the
 * directory. Since Linux 6.2 the size of the directory is the number of descriptors, and before it is 0. */
static int list_low_fds(struct hello *hello)
{
	struct stat directory;
	u64 count = high_control_fds(hello->control);
	if (sys_stat("/proc/self/fd", &directory) < 0 || !directory.size)
		return -1;
	for (int fd = 0; fd < TRIED_FDS && count < directory.size; fd++)
		if (sys_fcntl(fd, F_GETFD, 0) >= 0) {
			count++;
			if (add_fd(hello, fd) != 0)
				return -1;
		}
	return count == directory.size ? 0 : -1;
}

/* Lists the descriptors that the caller left open. Returns their number. It is unknown without /proc, and if there are
 * too many. */
static u32 list_fds(struct hello *hello)
{
	if (list_low_fds(hello) == 0)
		return hello->fd_count;
	hello->fd_count = 0;
	return rsyscall_each_fd(add_fd, hello) == 0 ? hello->fd_count : RSYSCALL_FDS_UNKNOWN;
}

/* The bytes and the number of the strings of argv or of the environment. execve(2) puts them one behind the other, and
 * so they are sent from where they are: 2 MB of environment need no memory here. */
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

/* Sends bytes, and with them a descriptor (`passed`), if it is not -1. Returns 0 or -errno. */
static long send_parts(int fd, struct iovec *parts, u64 count, int passed)
{
	struct rights rights = {{sizeof rights.header + sizeof rights.fds[0], SOL_SOCKET, SCM_RIGHTS}, {passed}};
	/* The ancillary data is rounded up to whole words, the length in its header is not: cmsg(3). */
	u64 rights_size = passed < 0 ? 0 : sizeof rights.header + sizeof(u64);
	while (count) {
		struct msghdr message = {0, 0, parts, count, rights_size ? &rights : 0, rights_size, 0};
		long sent = sys_sendmsg(fd, &message, 0);
		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN && has_deadline()) {
			wait_for_event(fd, POLLOUT);
			continue;
		}
		/* A server that refuses may close before it has read everything. Its answer says why. */
		if (sent == -EPIPE)
			return 0;
		if (sent < 0)
			return sent;
		rights_size = 0; /* the descriptor went with the first byte */
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

void make_hello(struct hello *to, const struct control_fds *control, const struct launch *launch,
		const struct arena *arena, u64 answers)
{
	to->control = control;
	to->launch = launch;
	to->arena_fd = arena->fd;
	to->fd_count = 0;
	long cwd_size = sys_getcwd(to->cwd, sizeof to->cwd); /* with its NUL */
	/* Outside of the root directory the kernel writes "(unreachable)" and a path that names nothing here. */
	if (cwd_size > 0 && to->cwd[0] != '/')
		cwd_size = 0;
	struct rsyscall_hello hello = {
		.magic = {'r', 's', 'y', 's', 'c', 'a', 'l', 'l'},
		.version = RSYSCALL_VERSION,
		.machine = RSYSCALL_MACHINE,
		.size = sizeof hello,
		.fd_count = list_fds(to),
		.cwd_size = cwd_size > 0 ? (u32)cwd_size - 1 : 0,
		.execfn_size = launch->execfn ? (u32)length_of(launch->execfn) : 0,
		.page_size = launch->page_size,
		.pid = sys_getpid(),
		.ppid = sys_getppid(),
		.uid = sys_getuid(),
		.gid = sys_getgid(),
		.syscall_fd = control->syscall,
		.data_fd = control->data,
		.connection_fd = control->connection,
		.lifeline_fd = control->lifeline,
		.listening_fd = control->listening < 0 ? 0 : control->listening,
		/* A server that needs the numbers of namespaces asks for them: that takes a tenth of all that this does. */
		.server_symbol = (u64)rsyscall_server,
		.arena_address = (u64)arena->start,
		.arena_size = arena->size,
		.answers = answers,
		.welcome_flags = WELCOME_FLAGS,
	};
	hello.argv_size = strings_size(launch->argv, &hello.argc);
	hello.envp_size = strings_size(launch->environment, &hello.envc);
	if (is_ignored(LIFELINE_SIGNAL))
		hello.ignored = sigmask_of(LIFELINE_SIGNAL);
	sys_sigprocmask(SIG_BLOCK, 0, &hello.sigmask);
	to->fixed = hello;
}

int send_hello(const struct hello *hello, struct arena *arena, struct problem *problem)
{
	const struct rsyscall_hello *fixed = &hello->fixed;
	struct iovec parts[] = {
		{fixed, sizeof *fixed},
		{hello->launch->argv[0], fixed->argv_size},
		{hello->launch->environment[0], fixed->envp_size},
		{hello->cwd, fixed->cwd_size},
		{hello->launch->execfn, fixed->execfn_size},
		{hello->fds, fixed->fd_count == RSYSCALL_FDS_UNKNOWN ? 0 : fixed->fd_count * sizeof hello->fds[0]},
	};
	long error = send_parts(hello->control->handshake, parts, sizeof parts / sizeof parts[0], arena->fd);
	if (arena->fd >= 0)
		sys_close(arena->fd);
	arena->fd = -1;
	return error ? set_problem(problem, "cannot send the hello to the server", -error) : 0;
}

/* The numbers that the hello announced for the descriptors that come with a welcome of these flags. Returns how many. */
static u32 find_places(u32 flags, const struct control_fds *control, int places[WELCOME_FDS])
{
	u32 count = 0;
	places[count++] = control->syscall;
	if (!(flags & RSYSCALL_KEEP)) {
		places[count++] = control->connection;
		places[count++] = control->lifeline;
	}
	if (!(flags & RSYSCALL_RING))
		places[count++] = control->data;
	return count;
}

/* Moves the descriptors that came to their places, and the lifeline to its own. Returns 0 or -errno. */
static int place_fds(const i32 *fds, const int *places, u32 count, u32 flags, const struct control_fds *control)
{
	int result = 0;
	for (u32 i = 0; i < count && result >= 0; i++)
		result = sys_dup3(fds[i], places[i], O_CLOEXEC);
	if (flags & RSYSCALL_KEEP && result >= 0)
		result = sys_dup3(control->handshake, control->lifeline, O_CLOEXEC);
	return result < 0 ? result : 0;
}

/* The server's answer, as far as it came. */
struct answer {
	struct rsyscall_welcome welcome;
	struct rights rights;
	u32 fd_count;
	u32 flags;
	long got; /* bytes of the welcome, or an error */
};

static void receive_answer(int fd, struct answer *answer)
{
	struct iovec part = {&answer->welcome, sizeof answer->welcome};
	struct msghdr message = {0, 0, &part, 1, &answer->rights, sizeof answer->rights, 0};
	const struct cmsghdr *header = &answer->rights.header;

	wait_for_event(fd, POLLIN);
	do
		answer->got = sys_recvmsg(fd, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	while (answer->got == -EINTR);
	answer->flags = message.flags;
	answer->fd_count = 0;
	if (answer->got >= 0 && message.control_length >= sizeof *header && header->level == SOL_SOCKET &&
	    header->type == SCM_RIGHTS)
		answer->fd_count = (u32)((header->length - sizeof *header) / sizeof answer->rights.fds[0]);
}

/* Accepts an answer only if it is a complete welcome, and places its descriptors. Returns as receive_welcome. */
static int check_welcome(const struct answer *answer, const struct control_fds *control, u64 answers,
			 struct problem *problem)
{
	const struct rsyscall_welcome *welcome = &answer->welcome;
	if (answer->got < 0)
		return set_problem(problem, "cannot read the answer of the server", -answer->got);
	if (answer->got != sizeof *welcome)
		return set_problem(problem, CONTROLLER_GONE, 0);
	for (u32 i = 0; i < sizeof welcome->magic; i++)
		if (welcome->magic[i] != (u8)RSYSCALL_MAGIC[i])
			return set_problem(problem, "the peer on the socket is not an rsyscall server", 0);
	if (welcome->status == RSYSCALL_REFUSED) {
		u64 size = sizeof problem->subject - 1;
		set_problem(problem, "the server refused this call:", 0);
		long got = sys_recv(control->handshake, problem->subject,
				    welcome->message_size < size ? welcome->message_size : size, MSG_WAITALL);
		problem->subject[got > 0 ? got : 0] = 0;
		return -1;
	}
	/* The kernel drops descriptors for which a low RLIMIT_NOFILE leaves no number. */
	if (answer->flags & MSG_CTRUNC)
		return set_problem(problem, "cannot take the descriptors of the server", EMFILE);
	u32 flags = welcome->flags;
	int places[WELCOME_FDS];
	u32 fd_count = 0;
	int is_accepted = welcome->status == RSYSCALL_ACCEPTED;
	int is_known = is_accepted ? !(flags & ~WELCOME_FLAGS)
				   : welcome->status < 64 && answers >> welcome->status & 1 && !flags;
	if (is_accepted)
		fd_count = find_places(flags, control, places);
	/* The size is that of the program: a reply goes on up to the part that ends it. */
	if (welcome->status != RSYSCALL_EXEC && welcome->message_size)
		is_known = 0;
	if (!is_known || welcome->version != RSYSCALL_VERSION || answer->fd_count != fd_count)
		return set_problem(problem, "cannot understand the welcome of the server", 0);
	int error = is_accepted ? place_fds(answer->rights.fds, places, fd_count, flags, control) : 0;
	return error ? set_problem(problem, "cannot place a descriptor from the server", -error) : 0;
}

int receive_welcome(const struct control_fds *control, u64 answers, struct rsyscall_welcome *welcome,
		    struct problem *problem)
{
	for (;;) {
		struct answer answer;
		receive_answer(control->handshake, &answer);
		int result = check_welcome(&answer, control, answers, problem);
		for (u32 i = 0; i < answer.fd_count; i++)
			sys_close(answer.rights.fds[i]);
		*welcome = answer.welcome;
		if (result < 0 || welcome->status != RSYSCALL_PROCESSING)
			return result;
		lift_deadline();
	}
}
