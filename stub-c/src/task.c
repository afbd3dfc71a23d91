/* The task: launched by a controller that has a way to its stdin, or to its stdin and stdout. */
#include "ending.h"
#include "kernel.h"
#include "mux.h"
#include "persistent.h"
#include "serve.h"
#include "start.h"
#include "text.h"

#define STATUS_USAGE 2
#define PATH_SIZE 4096
#define SO_TYPE 3
#define SO_ACCEPTCONN 30
#define SO_DOMAIN 39
#define PR_SET_PDEATHSIG 1
#define PR_SET_NAME 15
#define TCGETS 0x5401
#define FIONREAD 0x541b
#define F_GETFD 1
#define O_WRONLY 1
#define SIGKILL 9
#define SIGCHLD 17

static const char usage[] =
	"usage: rsyscall-task [--unlink] stdin|command|persistent\n"
	"       rsyscall-task --help|--version\n"
	"\n"
	"A process that does what its controller tells it to.\n"
	"\n"
	"  stdin       stdin is a Unix stream socket to the controller\n"
	"  command     stdin and stdout carry bytes from and to the controller\n"
	"  persistent  stdin is a Unix stream socket on which controllers are awaited\n"
	"  --unlink    removes this executable first\n";

static int is_same(const char *a, const char *b)
{
	return starts_with(a, b) && starts_with(b, a);
}

__attribute__((noreturn)) static void end(int status)
{
	syscall6(SYS_exit_group, status, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

__attribute__((noreturn)) static void print(int fd, const char *text, int status)
{
	u64 length = length_of(text);
	end(sys_write(fd, text, length) == (long)length ? status : 1);
}

static int is_open(int fd)
{
	return sys_fcntl(fd, F_GETFD, 0) >= 0;
}

/* Makes fd a descriptor of /dev/null, or of something as empty: a root may have no /dev. */
static void empty(int fd, int flags)
{
	i32 pipe[2];
	long null = sys_openat("/dev/null", flags);
	if (null >= 0) {
		pipe[0] = (i32)null;
	} else if (flags == O_RDONLY && syscall6(SYS_pipe2, (long)pipe, 0, 0, 0, 0, 0) == 0) {
		sys_close(pipe[1]);
	} else {
		sys_close(fd);
		return;
	}
	if (pipe[0] == fd)
		return;
	syscall6(SYS_dup3, pipe[0], fd, 0, 0, 0, 0);
	sys_close(pipe[0]);
}

static int is_terminal(int fd)
{
	u8 termios[256];
	return syscall6(SYS_ioctl, fd, TCGETS, (long)termios, 0, 0, 0) == 0;
}

/* Whether there is nothing to be read from stdin, and never will be. */
static int stdin_has_ended(void)
{
	struct pollfd poll = {0, POLLIN, 0};
	struct timespec now = {0, 0};
	i32 left = 0;
	return sys_ppoll(&poll, 1, &now) == 1 &&
	       !(syscall6(SYS_ioctl, 0, FIONREAD, (long)&left, 0, 0, 0) == 0 && left > 0);
}

/* Ends because of what carries the stream. The controller takes the reason, a word, from stdout: it may get no
 * stderr, or as text of any kind. See bootScript.ts. */
__attribute__((noreturn)) static void refuse(const char *reason, const char *what)
{
	char line[64] = "rsyscall-refused ";
	append(line, sizeof line, reason);
	append(line, sizeof line, "\n");
	sys_write(1, line, length_of(line));
	fail_with(STATUS_USAGE, what, 0, 0);
}

static int socket_option(int fd, int option)
{
	i32 value = -1;
	u32 length = sizeof value;
	if (syscall6(SYS_getsockopt, fd, SOL_SOCKET, option, (long)&value, (long)&length, 0) < 0)
		return -1;
	return value;
}

/* Removes the file of this program, if it still has a name. */
static void unlink_self(const struct launch *launch)
{
	char path[PATH_SIZE];
	long length = syscall6(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)path, sizeof path - 1, 0, 0);
	path[length > 0 ? length : 0] = 0;
	const char *name = length > 0 ? path : launch->execfn;
	long result = name ? syscall6(SYS_unlinkat, AT_FDCWD, (long)name, 0, 0, 0, 0) : -ENOENT;
	if (result < 0 && result != -ENOENT)
		fail("cannot remove", name, -result);
}

__attribute__((noreturn)) static void serve_stdin(const struct launch *launch)
{
	if (socket_option(0, SO_DOMAIN) != AF_UNIX || socket_option(0, SO_TYPE) != SOCK_STREAM)
		fail_with(STATUS_USAGE, "stdin is no Unix stream socket", 0, 0);
	int handshake = set_aside(0);
	empty(0, O_RDONLY);
	serve_on(handshake, launch, 1);
}

__attribute__((noreturn)) static void serve_persistently(const struct launch *launch)
{
	if (socket_option(0, SO_DOMAIN) != AF_UNIX || socket_option(0, SO_TYPE) != SOCK_STREAM ||
	    socket_option(0, SO_ACCEPTCONN) != 1)
		fail_with(STATUS_USAGE, "stdin is no Unix stream socket that listens", 0, 0);
	int listening = set_aside(0);
	empty(0, O_RDONLY);
	stay(listening, launch);
}

__attribute__((noreturn)) static void serve_command(const struct launch *launch)
{
	i32 pair[2];
	if (!is_open(1))
		fail_with(STATUS_USAGE, "stdout is closed", 0, 0);
	if (is_terminal(0) || is_terminal(1))
		refuse("terminal", "stdin or stdout is a terminal, which changes bytes");
	/* The controller speaks second. */
	if (!is_open(0) || stdin_has_ended())
		refuse("stdin", "stdin is closed, or has ended before anything came");
	/* For ps(1): a memfd, or a file that was sent, is called otherwise. */
	syscall6(SYS_prctl, PR_SET_NAME, (long)"rsyscall-task", 0, 0, 0, 0);
	/* A socket must not get the number on which messages are written. */
	if (!is_open(2))
		empty(2, O_WRONLY);
	long result = syscall6(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, (long)pair, 0, 0);
	if (result < 0)
		fail("cannot make a socket", 0, -result);
	long parent = syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	long child = syscall6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
	if (child < 0)
		fail("cannot fork", 0, -child);
	if (child) {
		sys_close(pair[1]);
		run_mux(pair[0], (i32)child);
	}
	/* Whatever becomes of this process, which may change its user or execute something else, it does
	 * not stay behind alone. */
	syscall6(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	if (syscall6(SYS_getppid, 0, 0, 0, 0, 0, 0) != parent)
		end(1);
	sys_close(pair[0]);
	int handshake = set_aside(pair[1]);
	sys_close(pair[1]);
	empty(0, O_RDONLY);
	if (syscall6(SYS_dup3, 2, 1, 0, 0, 0, 0) < 0)
		sys_close(1);
	/* Whoever reads the hello is at the other end of a stream of bytes, and has no memory in common. */
	serve_on(handshake, launch, 0);
}

void run(const struct launch *launch)
{
	char **argument = launch->argv;
	if (*argument)
		argument++;
	int unlinks = *argument && is_same(*argument, "--unlink");
	if (unlinks)
		argument++;
	if (!*argument || argument[1])
		print(2, usage, STATUS_USAGE);
	if (!unlinks && is_same(*argument, "--help"))
		print(1, usage, 0);
	if (!unlinks && is_same(*argument, "--version")) {
		char line[64] = "rsyscall ";
		append_number(line, sizeof line, RSYSCALL_VERSION);
		append(line, sizeof line, " " RSYSCALL_MACHINE_NAME "\n");
		print(1, line, 0);
	}
	static const struct {
		const char *name;
		__attribute__((noreturn)) void (*serve)(const struct launch *launch);
	} modes[] = {{"stdin", serve_stdin}, {"command", serve_command}, {"persistent", serve_persistently}};
	for (u32 i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (is_same(*argument, modes[i].name)) {
			if (unlinks)
				unlink_self(launch);
			modes[i].serve(launch);
		}
	print(2, usage, STATUS_USAGE);
}
