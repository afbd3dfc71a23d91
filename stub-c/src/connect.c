/* Finds the server's socket and connects to it. */
#include "connect.h"
#include "ending.h"
#include "kernel.h"
#include "rights.h"
#include "patience.h"
#include "serve.h"
#include "text.h"

#define PATH_SIZE 4096
#define LINKS_AT_MOST 40 /* as many as the kernel follows */

/* Room for the path of the server's socket in a copy of this program: packages/stub-server/src/stubFile.ts finds
 * it by the mark. */
static const struct {
	char mark[32];
	char path[PATH_SIZE];
} own_socket = {"rsyscall: socket of this copy: ", {0}};

/* It is not as empty as the compiler sees it. */
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

/* As many wait as the server lets wait. Poll(2) does not tell when there is room for another one: to block does,
 * as long as SO_SNDTIMEO says. */
static long connect_patiently(int fd, const struct sockaddr_un *address)
{
	long result;
	sys_fcntl(fd, F_SETFL, 0);
	for (;;) {
		struct timeval time;
		time_left(&time.seconds, &time.microseconds);
		time.microseconds = time.microseconds / 1000 + 1; /* 0 is for ever */
		if (!is_limited())
			time.seconds = time.microseconds = 0;
		syscall6(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, (long)&time, sizeof time, 0);
		result = syscall6(SYS_connect, fd, (long)address, sizeof *address, 0, 0, 0);
		if (result == -EAGAIN)
			run_out_of_time();
		else if (result != -EINTR)
			break;
	}
	sys_fcntl(fd, F_SETFL, O_NONBLOCK);
	return result;
}

static long connect_address(int fd, const char *path)
{
	struct sockaddr_un address = {AF_UNIX, {0}};
	if (!append(address.path, sizeof address.path, path))
		return -ENOENT;
	long result = syscall6(SYS_connect, fd, (long)&address, sizeof address, 0, 0, 0);
	return result == -EAGAIN ? connect_patiently(fd, &address) : result;
}

/* A socket's address holds 107 bytes of path. A longer one is reached by a descriptor for it. */
static long connect_path(int fd, const char *path)
{
	char through[32] = "/proc/self/fd/";
	name_server(path);
	if (length_of(path) < sizeof((struct sockaddr_un *)0)->path)
		return connect_address(fd, path);
	long found = sys_openat(path, O_PATH | O_CLOEXEC);
	if (found < 0)
		return found;
	append_number(through, sizeof through, (u64)found);
	long result = connect_address(fd, through);
	sys_close((int)found);
	return result;
}

/* Replaces path by what it links to. Returns 0 when it is no link. */
static int follow(char *path)
{
	char target[PATH_SIZE];
	long length = syscall6(SYS_readlinkat, AT_FDCWD, (long)path, (long)target, sizeof target - 1, 0, 0);
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
	return append(path, PATH_SIZE, target);
}

/* Tries PATH.sock for a path by which this program was executed and for each link on its way, so
 * that a link to a link works too, and so does an exec by descriptor (/dev/fd/N). */
static long connect_beside(int fd, const char *executed)
{
	char path[PATH_SIZE];
	char beside[PATH_SIZE + sizeof ".sock"];
	path[0] = 0;
	if (!append(path, sizeof path, executed))
		return -ENOENT;
	for (int links = 0; links < LINKS_AT_MOST; links++) {
		beside[0] = 0;
		append(beside, sizeof beside, path);
		append(beside, sizeof beside, ".sock");
		long result = connect_path(fd, beside);
		if (result >= 0)
			return result;
		/* Beside the longest of names there is no room for a socket's. */
		if (result != -ENOENT && result != -ENOTDIR && result != -ENAMETOOLONG)
			fail("cannot connect to", beside, -result);
		if (!follow(path))
			break;
	}
	return -ENOENT;
}

static int connect_named(int fd, const char *path)
{
	long result = connect_path(fd, path);
	if (result < 0)
		fail("cannot connect to", path, -result);
	return fd;
}

static int has_slash(const char *path)
{
	while (*path && *path != '/')
		path++;
	return *path == '/';
}

/* By a path that others may have chosen. */
static int obey(int fd, const char *path, const struct launch *launch)
{
	if (!may_obey(fd, launch))
		fail("refuses a server of another user, who would get the rights of this process:", path, 0);
	return fd;
}

__attribute__((noreturn, noinline)) static void fail_without_server(const struct launch *launch)
{
	char subject[800];
	subject[0] = 0;
	if (!launch->execfn || !append(subject, 500, launch->execfn))
		append(subject, sizeof subject, "this program");
	append(subject, sizeof subject,
	       launch->is_secure
		       ? "; RSYSCALL_UNIX_STUB_SOCK_PATH is not heeded by a caller with the rights of another user"
		       : ", and RSYSCALL_UNIX_STUB_SOCK_PATH is not set. A copy or hard link under another name "
			 "finds its server only if it was made with link: \"script\"");
	fail("no server: there is no socket beside", subject, 0);
}

int connect_to_server(const struct launch *launch)
{
	const char *execfn = launch->execfn;
	const char *name = launch->argv[0];
	long first = syscall6(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
	if (first < 0)
		fail("cannot make a socket", 0, -first);
	int fd = set_aside((int)first);
	sys_close((int)first);

	/* What lies in this file or beside it is as good as the file: the caller has executed it. But a caller that acts
	 * for another user may have been led to it. */
	int is_beside = 1;
	if (*own_path())
		connect_named(fd, own_path());
	/* After fexecve(3) of a descriptor that closes on exec, only the kernel knows what was executed. */
	else if (!(execfn && connect_beside(fd, execfn) >= 0) && connect_beside(fd, "/proc/self/exe") < 0)
		is_beside = 0;
	if (is_beside)
		return launch->is_secure ? obey(fd, execfn ? execfn : "this program", launch) : fd;

	if (launch->is_secure)
		fail_without_server(launch);
	/* A script's interpreter has no other word for its own path: execve(2). A name without a directory would mean
	 * the working directory. */
	if (name && has_slash(name) && connect_beside(fd, name) >= 0)
		return obey(fd, name, launch);
	const char *named = environment_value(launch->environment, "RSYSCALL_UNIX_STUB_SOCK_PATH=");
	if (!named)
		named = environment_value(launch->environment, "RSYSCALL_UNIX_STUB_SOCK=");
	if (!named)
		fail_without_server(launch);
	return obey(connect_named(fd, named), named, launch);
}
