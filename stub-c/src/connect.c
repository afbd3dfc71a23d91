#include "connect.h"
#include "deadline.h"
#include "ending.h"
#include "rights.h"
#include "serve.h"
#include "sys.h"
#include "text.h"

#define LINKS_AT_MOST 40 /* as many as the kernel follows */
#define SOCKET_SUFFIX ".sock"

/* The subject of the message that there is no server, and the part of it that a path may take. */
#define NO_SERVER_SIZE 800
#define NO_SERVER_PATH_SIZE 500

/* Room for the path of the server's socket in a copy of this program. packages/stub-server/src/stubFile.ts finds it
 * by the mark. */
static const struct {
	char mark[32];
	char path[PATH_MAX];
} own_socket = {"rsyscall: socket of this copy: ", {0}};

/* The compiler must not assume that the path is empty. */
static const char *own_path(void)
{
	const char *path = own_socket.path;
	__asm__("" : "+r"(path));
	return path;
}

const char *environment_value(char **environment, const char *prefix)
{
	for (; *environment; environment++)
		if (starts_with(*environment, prefix))
			return *environment + length_of(prefix);
	return 0;
}

/* Connects when the server's queue was full. poll(2) does not tell when there is room again; a blocking connect(2)
 * does, and waits as long as SO_SNDTIMEO says. */
static int connect_when_possible(int fd, const struct sockaddr_un *address)
{
	int result;
	sys_fcntl(fd, F_SETFL, 0);
	for (;;) {
		struct timeval time = {0, 0}; /* forever */
		if (has_deadline()) {
			struct timespec left = time_left();
			time.seconds = left.seconds;
			time.microseconds = left.nanoseconds / 1000 + 1;
		}
		sys_setsockopt(fd, SO_SNDTIMEO, &time, sizeof time);
		result = sys_connect(fd, address);
		if (result == -EAGAIN)
			time_passed();
		else if (result != -EINTR)
			break;
	}
	sys_fcntl(fd, F_SETFL, O_NONBLOCK);
	return result;
}

static int connect_address(int fd, const char *path)
{
	struct sockaddr_un address = {AF_UNIX, {0}};
	if (!append(address.path, sizeof address.path, path))
		return -ENOENT;
	int result = sys_connect(fd, &address);
	return result == -EAGAIN ? connect_when_possible(fd, &address) : result;
}

/* A socket address holds 107 bytes of path. A longer path is reached through a descriptor of the socket. */
static int connect_path(int fd, const char *path)
{
	char through[32] = "/proc/self/fd/";
	set_server_path(path);
	if (length_of(path) < SUN_PATH_SIZE)
		return connect_address(fd, path);
	int found = sys_open(path, O_PATH | O_CLOEXEC);
	if (found < 0)
		return found;
	append_number(through, sizeof through, (u64)found);
	int result = connect_address(fd, through);
	sys_close(found);
	return result;
}

/* Replaces a path by the target of the link that it names. Returns 0 if it does not name a link. */
static int follow(char *path)
{
	char target[PATH_MAX];
	long length = sys_readlink(path, target, sizeof target - 1);
	if (length <= 0)
		return 0;
	target[length] = 0;
	if (target[0] == '/') {
		path[0] = 0;
	} else {
		u64 directory = length_of(path);
		while (directory && path[directory - 1] != '/')
			directory--;
		path[directory] = 0;
	}
	return append(path, PATH_MAX, target);
}

/* Tries PATH.sock for the path by which this program was executed, and then for each link that the path leads
 * through: a link to a link, or an exec by descriptor (/dev/fd/N). */
static int connect_beside(int fd, const char *executed)
{
	char path[PATH_MAX];
	char beside[PATH_MAX + sizeof SOCKET_SUFFIX];
	path[0] = 0;
	if (!append(path, sizeof path, executed))
		return -ENOENT;
	for (int links = 0; links < LINKS_AT_MOST; links++) {
		beside[0] = 0;
		append(beside, sizeof beside, path);
		append(beside, sizeof beside, SOCKET_SUFFIX);
		int result = connect_path(fd, beside);
		if (result >= 0)
			return result;
		/* The longest file names leave no room for the suffix. */
		if (result != -ENOENT && result != -ENOTDIR && result != -ENAMETOOLONG)
			fail("cannot connect to", beside, -result);
		if (!follow(path))
			break;
	}
	return -ENOENT;
}

static void connect_named(int fd, const char *path)
{
	int result = connect_path(fd, path);
	if (result < 0)
		fail("cannot connect to", path, -result);
}

static int has_slash(const char *path)
{
	while (*path && *path != '/')
		path++;
	return *path == '/';
}

/* Fails if a server at a path that others may have chosen must not have the rights of this process. */
static void check_server(int fd, const char *path, const struct launch *launch)
{
	if (!may_trust_server(fd, launch))
		fail("refuses a server of another user, which would get the rights of this process:", path, 0);
}

__attribute__((noreturn, noinline)) static void fail_without_server(const struct launch *launch)
{
	char subject[NO_SERVER_SIZE];
	subject[0] = 0;
	if (!launch->execfn || !append(subject, NO_SERVER_PATH_SIZE, launch->execfn))
		append(subject, sizeof subject, "this program");
	append(subject, sizeof subject,
	       launch->is_secure
		       ? "; RSYSCALL_UNIX_STUB_SOCK_PATH is ignored if the caller has the rights of another user"
		       : ", and RSYSCALL_UNIX_STUB_SOCK_PATH is not set. A copy or hard link under another name "
			 "finds its server only if it was made with link: \"script\"");
	fail("found no server: there is no socket beside", subject, 0);
}

int make_server_socket(void)
{
	int first = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (first < 0)
		fail("cannot make a socket", 0, -first);
	int fd = dup_high(first);
	sys_close(first);
	return fd;
}

void connect_to_server(int fd, const struct launch *launch)
{
	const char *execfn = launch->execfn;
	const char *name = launch->argv[0];

	/* A path in this file, and a socket beside it, can be trusted as much as the file, which the caller has executed.
	 * But a caller that acts for another user may have been led to the file. */
	int is_beside = 1;
	if (*own_path())
		connect_named(fd, own_path());
	/* After fexecve(3) of a close-on-exec descriptor, only the kernel knows which file was executed. */
	else if (!(execfn && connect_beside(fd, execfn) >= 0) && connect_beside(fd, "/proc/self/exe") < 0)
		is_beside = 0;
	if (is_beside) {
		if (launch->is_secure)
			check_server(fd, execfn ? execfn : "this program", launch);
		return;
	}

	if (launch->is_secure)
		fail_without_server(launch);
	/* The interpreter of a script finds its own path only in argv[0]: execve(2). A name without a directory would mean
	 * the working directory. */
	if (name && has_slash(name) && connect_beside(fd, name) >= 0) {
		check_server(fd, name, launch);
		return;
	}
	const char *named = environment_value(launch->environment, "RSYSCALL_UNIX_STUB_SOCK_PATH=");
	if (!named)
		named = environment_value(launch->environment, "RSYSCALL_UNIX_STUB_SOCK=");
	if (!named)
		fail_without_server(launch);
	connect_named(fd, named);
	check_server(fd, named, launch);
}
