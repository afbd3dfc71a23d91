#include "answer.h"
#include "ending.h"
#include "sys.h"
#include "text.h"

#define NOT_UNDERSTOOD "cannot understand the answer of the server"

/* What a shell adds to the number of a signal for the status of a command. */
#define SIGNAL_STATUS 128

/* Bytes at the beginning of a file that show whether it is text. */
#define SAMPLE_SIZE 256

/* Bytes that were received and not yet taken. */
static struct {
	int fd;
	u32 from, to;
	u8 bytes[64 * 1024]; /* as much as a pipe holds */
} input;

static void begin_input(int fd)
{
	input.fd = fd;
	input.from = input.to = 0;
}

/* Waits for more bytes. There is no limit of time: the server's end closes its socket. */
static void receive_more(void)
{
	for (;;) {
		long got = sys_recv(input.fd, input.bytes, sizeof input.bytes, 0);
		if (got == -EAGAIN)
			wait_for_input(input.fd);
		else if (got == 0)
			fail("the server hung up in the middle of its answer", 0, 0);
		else if (got > 0) {
			input.from = 0;
			input.to = (u32)got;
			return;
		} else if (got != -EINTR)
			fail("cannot read the answer of the server", 0, -got);
	}
}

/* Returns at most `most` bytes that come next, and at least one. */
static const u8 *take_some(u64 most, u64 *count)
{
	if (input.from == input.to)
		receive_more();
	const u8 *bytes = input.bytes + input.from;
	*count = input.to - input.from;
	if (*count > most)
		*count = most;
	input.from += (u32)*count;
	return bytes;
}

static void take(void *to, u64 size)
{
	u64 count;
	for (u8 *at = to; size; at += count, size -= count) {
		const u8 *bytes = take_some(size, &count);
		copy_memory(at, bytes, count);
	}
}

/* The end of an answer: nothing may follow. */
static void expect_end(void)
{
	u8 byte;
	if (input.from != input.to || sys_recv(input.fd, &byte, 1, MSG_DONTWAIT) > 0)
		fail(NOT_UNDERSTOOD, "(more than was announced)", 0);
}

/* Writes as a program does: SIGPIPE is as the caller has left it, and a descriptor that is non-blocking is waited for.
 * Returns whether anything more can be written. */
static int write_all(int fd, const u8 *bytes, u64 size)
{
	while (size) {
		long written = sys_write(fd, bytes, size);
		if (written == -EAGAIN) {
			struct pollfd poll = {fd, POLLOUT, 0};
			sys_ppoll(&poll, 1, 0, 0);
		} else if (written == -EPIPE || written == -EBADF || written == 0)
			return 0;
		else if (written > 0) {
			bytes += written;
			size -= (u64)written;
		} else if (written != -EINTR)
			fail_with(STATUS_IO_ERROR, "cannot write to", fd == STDOUT ? "stdout" : "stderr", -written);
	}
	return 1;
}

/* Ends by a signal, whatever the caller has done to it. */
__attribute__((noreturn)) static void die_by(int signal, struct arena *arena)
{
	u64 mask = sigmask_of(signal);
	/* It is no part of a core dump. */
	unmap_arena(arena);
	set_disposition(signal, SIG_DFL);
	sys_sigprocmask(SIG_UNBLOCK, &mask, 0);
	sys_kill(sys_getpid(), signal);
	/* It does not kill, or this process is the first one of a pid namespace. */
	sys_exit_group(SIGNAL_STATUS + signal);
}

void reply(int socket, struct arena *arena)
{
	int is_open[] = {0, 1, 1};
	begin_input(socket);
	for (;;) {
		struct rsyscall_part part;
		take(&part, sizeof part);
		switch (part.kind) {
		case RSYSCALL_PART_STDOUT:
		case RSYSCALL_PART_STDERR:
			if (part.value == 0 || part.value > RSYSCALL_PART_SIZE_AT_MOST)
				break;
			while (part.value) {
				u64 count;
				const u8 *bytes = take_some(part.value, &count);
				if (is_open[part.kind])
					is_open[part.kind] = write_all((int)part.kind, bytes, count);
				part.value -= (u32)count;
			}
			continue;
		case RSYSCALL_PART_EXIT:
			if (part.value > 255)
				break;
			expect_end();
			sys_exit_group((int)part.value);
		case RSYSCALL_PART_SIGNAL:
			if (part.value < 1 || part.value > SIGNALS)
				break;
			expect_end();
			die_by((int)part.value, arena);
		}
		fail(NOT_UNDERSTOOD, 0, 0);
	}
}

/* Makes pointers to `count` strings that fill `size` bytes, and a final 0. Returns whether they do. */
static int point_to_strings(char **pointers, u32 count, char *bytes, u64 size)
{
	u64 at = 0;
	for (u32 i = 0; i < count; i++) {
		pointers[i] = bytes + at;
		while (at < size && bytes[at])
			at++;
		if (at++ >= size)
			return 0;
	}
	pointers[count] = 0;
	return at == size;
}

/* The caller's environment, without the variables that were for the stub. */
static char **own_environment(const struct launch *launch)
{
	static const char *const ours[] = {"RSYSCALL_UNIX_STUB_ARGV0=", "RSYSCALL_UNIX_STUB_SOCK_PATH=",
					   "RSYSCALL_UNIX_STUB_SOCK=", "RSYSCALL_UNIX_STUB_TIMEOUT="};
	char **to = launch->environment;
	for (char **from = launch->environment; *from; from++) {
		int is_ours = 0;
		for (u32 i = 0; i < sizeof ours / sizeof ours[0]; i++)
			is_ours |= starts_with(*from, ours[i]);
		if (!is_ours)
			*to++ = *from;
	}
	*to = 0;
	return launch->environment;
}

/* Whether there is no NUL in the first line, as shells check it. */
static int is_text(const char *path)
{
	u8 sample[SAMPLE_SIZE];
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC);
	long size = fd < 0 ? fd : sys_read(fd, sample, sizeof sample);
	if (fd >= 0)
		sys_close(fd);
	for (long i = 0; i < size && sample[i] != '\n'; i++)
		if (!sample[i])
			return 0;
	return size >= 0;
}

/* As a shell: 127 if there is no such program, 126 if it is there and does not run. */
static int status_of(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG ? 127 : 126;
}

void become_program(int socket, u64 size, const struct launch *launch)
{
	struct rsyscall_exec exec;
	begin_input(socket);
	if (size < sizeof exec || size > RSYSCALL_EXEC_SIZE_AT_MOST)
		fail(NOT_UNDERSTOOD, 0, 0);
	take(&exec, sizeof exec);
	u64 strings_size = size - sizeof exec;
	int is_own = (exec.flags & RSYSCALL_OWN_ENVIRONMENT) != 0;
	/* None of them is larger than all, so the sum does not overflow. */
	if (exec.argv_size > size || exec.envp_size > size ||
	    (u64)exec.path_size + exec.argv_size + exec.envp_size != strings_size || exec.argc == 0 ||
	    exec.argc > exec.argv_size || exec.envc > exec.envp_size || (exec.flags & ~RSYSCALL_OWN_ENVIRONMENT) ||
	    (is_own && exec.envp_size))
		fail(NOT_UNDERSTOOD, 0, 0);

	/* In front of the strings: the pointers to them, room for a shell and the 0 at the end of each, and for "./". */
	u64 pointers_size = ((u64)exec.argc + exec.envc + 4) * sizeof(char *);
	long start = sys_mmap(pointers_size + strings_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (is_error(start))
		fail("cannot take the answer of the server", 0, -start);
	char **argv = (char **)start + 1;
	char **environment = argv + exec.argc + 1;
	char *path = (char *)start + pointers_size;
	take(path, strings_size);
	expect_end();
	char *paths[2];
	char *arguments = path + exec.path_size;
	if (!point_to_strings(paths, 1, path, exec.path_size) ||
	    !point_to_strings(argv, exec.argc, arguments, exec.argv_size) ||
	    !point_to_strings(environment, exec.envc, arguments + exec.argv_size, exec.envp_size))
		fail(NOT_UNDERSTOOD, 0, 0);
	if (is_own)
		environment = own_environment(launch);

	int error = -sys_execve(path, argv, environment);
	if (error == ENOEXEC && is_text(path)) {
		/* As execvp(3): the shell gets the path and the arguments. It would look for a name in PATH. */
		int has_slash = 0;
		for (const char *at = path; *at; at++)
			has_slash |= *at == '/';
		char *script = path;
		if (!has_slash) {
			script = path - 2;
			script[0] = '.';
			script[1] = '/';
		}
		static char shell[] = "/bin/sh";
		argv[0] = script;
		argv[-1] = shell;
		error = -sys_execve(shell, argv - 1, environment);
	}
	fail_with(status_of(error), "cannot execute", path, error);
}
