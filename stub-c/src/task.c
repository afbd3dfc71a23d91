/* The task: a controller executes it where it can reach its stdin, or its stdin and stdout. */
#include "ending.h"
#include "mux/mux.h"
#include "persistent.h"
#include "serve.h"
#include "start.h"
#include "sys.h"
#include "text.h"

static const char usage[] =
	"usage: rsyscall-task [--unlink] stdin|command|persistent\n"
	"       rsyscall-task --help|--version\n"
	"\n"
	"A process that does what its controller tells it to.\n"
	"\n"
	"  stdin       stdin is a Unix stream socket to the controller\n"
	"  command     stdin and stdout carry bytes from and to the controller\n"
	"  persistent  stdin is a Unix stream socket that listens for controllers\n"
	"  --unlink    removes this executable first\n";

static int is_same(const char *a, const char *b)
{
	return starts_with(a, b) && starts_with(b, a);
}

__attribute__((noreturn)) static void print(int fd, const char *text, int status)
{
	u64 length = length_of(text);
	sys_exit_group(sys_write(fd, text, length) == (long)length ? status : STATUS_FAILED);
}

static int is_open(int fd)
{
	return sys_fcntl(fd, F_GETFD, 0) >= 0;
}

/* Replaces a descriptor by one of /dev/null. Where there is no /dev, the replacement for reading is an empty pipe, and
 * a descriptor for writing is closed. */
static void replace_by_null(int fd, int flags)
{
	i32 pipe[2];
	int null = sys_open("/dev/null", flags);
	if (null < 0 && flags == O_RDONLY && sys_pipe2(pipe, 0) == 0) {
		null = pipe[0];
		sys_close(pipe[1]);
	}
	if (null < 0) {
		sys_close(fd);
	} else if (null != fd) {
		sys_dup3(null, fd, 0);
		sys_close(null);
	}
}

static int is_terminal(int fd)
{
	u8 termios[TERMIOS_SIZE];
	return sys_ioctl(fd, TCGETS, termios) == 0;
}

/* Whether there is nothing to read from stdin, and never will be. */
static int stdin_has_ended(void)
{
	i32 unread = 0;
	return has_event(STDIN, POLLIN) && !(sys_ioctl(STDIN, FIONREAD, &unread) == 0 && unread > 0);
}

/* Ends because stdin and stdout cannot carry the stream. The controller reads the reason, a word, from stdout: it may
 * get no stderr, and other programs may write to that too. See bootScript.ts. */
__attribute__((noreturn)) static void refuse(const char *reason, const char *what)
{
	char line[64] = "rsyscall-refused ";
	append(line, sizeof line, reason);
	append(line, sizeof line, "\n");
	sys_write(STDOUT, line, length_of(line));
	fail_with(STATUS_USAGE, what, 0, 0);
}

static int is_unix_stream(int fd)
{
	return socket_option(fd, SO_DOMAIN) == AF_UNIX && socket_option(fd, SO_TYPE) == SOCK_STREAM;
}

/* Removes the file of this program, if it still has a name. */
static void unlink_self(const struct launch *launch)
{
	char path[PATH_MAX];
	long length = sys_readlink("/proc/self/exe", path, sizeof path - 1);
	path[length > 0 ? length : 0] = 0;
	const char *name = length > 0 ? path : launch->execfn;
	int result = name ? sys_unlink(name) : -ENOENT;
	if (result < 0 && result != -ENOENT)
		fail("cannot remove", name, -result);
}

__attribute__((noreturn)) static void serve_stdin(const struct launch *launch)
{
	if (!is_unix_stream(STDIN))
		fail_with(STATUS_USAGE, "stdin is not a Unix stream socket", 0, 0);
	int handshake = dup_high(STDIN);
	replace_by_null(STDIN, O_RDONLY);
	serve_on(handshake, launch, 1, NO_ANSWERS);
}

__attribute__((noreturn)) static void serve_persistently(const struct launch *launch)
{
	if (!is_unix_stream(STDIN) || socket_option(STDIN, SO_ACCEPTCONN) != 1)
		fail_with(STATUS_USAGE, "stdin is not a listening Unix stream socket", 0, 0);
	int listening = dup_high(STDIN);
	replace_by_null(STDIN, O_RDONLY);
	serve_controllers(listening, launch);
}

/* The child of the process that carries the stream: it serves. */
__attribute__((noreturn)) static void serve_stream(int fd, int parent, const struct launch *launch)
{
	/* This process may change its user, or execute another program. It must not stay behind alone even then. */
	sys_prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sys_getppid() != parent)
		sys_exit_group(STATUS_FAILED);
	int handshake = dup_high(fd);
	sys_close(fd);
	replace_by_null(STDIN, O_RDONLY);
	if (sys_dup3(STDERR, STDOUT, 0) < 0)
		sys_close(STDOUT);
	/* The controller is at the other end of a stream of bytes, and cannot map memory. */
	serve_on(handshake, launch, 0, NO_ANSWERS);
}

__attribute__((noreturn)) static void serve_command(const struct launch *launch)
{
	i32 pair[2];
	if (!is_open(STDOUT))
		fail_with(STATUS_USAGE, "stdout is closed", 0, 0);
	if (is_terminal(STDIN) || is_terminal(STDOUT))
		refuse("terminal", "stdin or stdout is a terminal, which changes bytes");
	/* The controller writes only after this process has, so stdin cannot have ended yet. */
	if (!is_open(STDIN) || stdin_has_ended())
		refuse("stdin", "stdin is closed, or ended before the first byte");
	/* For ps(1): the executable is a memfd, or a file with a name of its own. */
	sys_prctl(PR_SET_NAME, (long)"rsyscall-task");
	/* A socket must not get the number to which messages are written. */
	if (!is_open(STDERR))
		replace_by_null(STDERR, O_WRONLY);
	int result = sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, pair);
	if (result < 0)
		fail("cannot make a socket", 0, -result);
	int parent = sys_getpid();
	int child = sys_fork();
	if (child < 0)
		fail("cannot fork", 0, -child);
	if (child == 0) {
		sys_close(pair[0]);
		serve_stream(pair[1], parent, launch);
	}
	sys_close(pair[1]);
	run_mux(pair[0], child);
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
		print(STDERR, usage, STATUS_USAGE);
	if (!unlinks && is_same(*argument, "--help"))
		print(STDOUT, usage, 0);
	if (!unlinks && is_same(*argument, "--version")) {
		char line[64] = "rsyscall ";
		append_number(line, sizeof line, RSYSCALL_VERSION);
		append(line, sizeof line, " " RSYSCALL_MACHINE_NAME "\n");
		print(STDOUT, line, 0);
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
	print(STDERR, usage, STATUS_USAGE);
}
