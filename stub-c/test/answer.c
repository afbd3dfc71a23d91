/* src/answer.c on a fake kernel. The answer of a server arrives in parts, and outputs take it in parts; a script decides
 * how large these are. Another reading of the same bytes says what the process must write, execute and exit with:
 * docs/protocol.md, "Answers". */
#include "answer.h"
#include "ending.h"
#include "rsyscall/server.h"
#include "test.h"

#define STREAM_SIZE (1u << 16)
#define SOCKET 10
#define DECISIONS 16 /* bytes of a script before the answer */

/* How the process ended. */
enum end { NOT_YET, EXITED, KILLED, EXECUTED };

static struct world {
	u8 decisions[DECISIONS];
	u32 decision;
	u8 stream[STREAM_SIZE];
	u64 size, at; /* bytes of the answer, and those that were received */
	u8 written[STREAM_SIZE];
	u64 written_size;
	int is_broken[3]; /* an output that has refused a write */
	int is_failing;
	u8 *memory;
	enum end end;
	int status; /* or the signal */
	int exec_error, exec_count;
	int is_text;
	const struct launch *launch;
	jmp_buf over;
} world;

/* In the end all goes at once: otherwise it could be tried again for ever. */
static u32 decide(void)
{
	u32 at = world.decision++;
	return at < 16 * DECISIONS ? world.decisions[at % DECISIONS] : 255;
}

static u64 part_of(u64 length)
{
	u64 most = 1 + decide() * 3;
	return length < most ? length : most;
}

static u32 u32_at(u64 at)
{
	u32 value;
	memcpy(&value, world.stream + at, sizeof value);
	return value;
}

static long do_receive(u8 *to, u64 length, int flags)
{
	u32 choice = flags & MSG_DONTWAIT ? 2 : decide() % 8;
	check(length);
	if (choice == 0)
		return -EAGAIN;
	if (choice == 1)
		return -EINTR;
	u64 left = world.size - world.at;
	u64 part = part_of(left < length ? left : length);
	memcpy(to, world.stream + world.at, part);
	world.at += part;
	return (long)part;
}

static long do_write(int fd, const u8 *bytes, u64 length)
{
	u32 choice = decide() % 16;
	check(length && (fd == STDOUT || fd == STDERR));
	if (world.is_failing) /* a line that says why */
		return (long)length;
	check(!world.is_broken[fd]);
	if (choice == 0)
		return -EAGAIN;
	if (choice == 1)
		return -EINTR;
	if (choice == 2) {
		world.is_broken[fd] = 1;
		return world.decisions[0] % 2 ? -EPIPE : -EBADF;
	}
	u64 part = part_of(length);
	check(world.written_size + part <= sizeof world.written);
	memcpy(world.written + world.written_size, bytes, part);
	world.written_size += part;
	return (long)part;
}

/* Whether strings are those of the answer from a position on. Returns where they end. */
static u64 check_strings(char **strings, u32 count, u64 at)
{
	for (u32 i = 0; i < count; i++) {
		check(strcmp(strings[i], (char *)world.stream + at) == 0);
		at += strlen(strings[i]) + 1;
	}
	check(!strings[count]);
	return at;
}

static long do_exec(const char *path, char **argv, char **environment)
{
	u32 argc = u32_at(4), envc = u32_at(8), is_own = u32_at(12);
	u64 arguments = 32 + u32_at(0);
	if (world.exec_count++ == 0) {
		check(strcmp(path, (char *)world.stream + 32) == 0);
		arguments = check_strings(argv, argc, arguments);
	} else {
		const char *named = (char *)world.stream + 32;
		check(world.exec_error == ENOEXEC && world.is_text);
		check(strcmp(path, "/bin/sh") == 0 && strcmp(argv[0], "/bin/sh") == 0);
		if (strchr(named, '/'))
			check(strcmp(argv[1], named) == 0);
		else
			check(memcmp(argv[1], "./", 2) == 0 && strcmp(argv[1] + 2, named) == 0);
		u64 first = arguments + strlen((char *)world.stream + arguments) + 1;
		arguments = check_strings(argv + 2, argc - 1, first);
	}
	if (is_own)
		check(environment == world.launch->environment);
	else
		check(check_strings(environment, envc, arguments) == world.size);
	if (world.exec_error && !(world.exec_count == 2 && decide() % 2))
		return -world.exec_error;
	world.end = EXECUTED;
	longjmp(world.over, 1);
}

static void end(enum end how, int status)
{
	world.end = how;
	world.status = status;
	longjmp(world.over, 1);
}

long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)e, (void)f;
	switch (number) {
	case SYS_recvfrom:
		check(a == SOCKET);
		return do_receive((u8 *)b, (u64)c, (int)d);
	case SYS_write:
		return do_write((int)a, (u8 *)b, (u64)c);
	case SYS_ppoll:
		((struct pollfd *)a)->revents = ((struct pollfd *)a)->events;
		return 1;
	case SYS_mmap:
		check(!world.memory);
		world.memory = calloc(1, (size_t)b);
		return world.memory ? (long)world.memory : -ENOMEM;
	case SYS_execve:
		return do_exec((char *)a, (char **)b, (char **)c);
	case SYS_openat:
		return 20;
	case SYS_read:
		check(a == 20);
		memcpy((void *)b, world.is_text ? "echo\n\0" : "\1\0\n\0\0\0", 6);
		return 6;
	case SYS_kill:
		check(a == 4711);
		if (b != SIGCHLD)
			end(KILLED, (int)b);
		return 0;
	case SYS_exit_group:
		end(EXITED, (int)a);
		return 0;
	case SYS_getpid:
		return 4711;
	case SYS_rt_sigprocmask:
		world.is_failing |= a == SIG_BLOCK;
		return 0;
	default: /* close, rt_sigaction, munmap */
		return 0;
	}
}

void rsyscall_sigreturn(void)
{
}

/* What a reply must do, by another reading of it. Only what was received counts. */
static void expect_reply(void)
{
	u8 expected[STREAM_SIZE];
	u64 size = 0, at = 0;
	enum end how = EXITED;
	int status = RSYSCALL_STATUS_UNAVAILABLE;
	while (at + 8 <= world.size) {
		u32 kind = u32_at(at), value = u32_at(at + 4);
		at += 8;
		if (kind == 3 && value < 256 && at == world.size)
			status = (int)value;
		if (kind == 4 && value > 0 && value <= 64 && at == world.size) {
			how = value == SIGCHLD ? EXITED : KILLED;
			status = (int)(value == SIGCHLD ? 128 + value : value);
		}
		if (kind < 1 || kind > 2 || value < 1 || value > 0x100000)
			break;
		u64 part = value < world.size - at ? value : world.size - at;
		memcpy(expected + size, world.stream + at, part);
		size += part;
		at += part;
	}
	check(world.end == how && world.status == status);
	if (!world.is_broken[STDOUT] && !world.is_broken[STDERR])
		check(world.written_size == size && memcmp(world.written, expected, size) == 0);
	check(world.written_size <= size);
}

/* Whether the answer is a program. */
static int is_program(u64 announced)
{
	u64 argv_size, envp_size, at = 32, ends[3];
	if (announced < 32 || announced > 0x1000000 || world.size != announced)
		return 0;
	memcpy(&argv_size, world.stream + 16, 8);
	memcpy(&envp_size, world.stream + 24, 8);
	u32 counts[] = {1, u32_at(4), u32_at(8)};
	u64 sizes[] = {u32_at(0), argv_size, envp_size};
	if (u32_at(12) > 1 || (u32_at(12) && envp_size) || counts[1] == 0)
		return 0;
	for (int i = 0; i < 3; i++) {
		if (sizes[i] > announced - at)
			return 0;
		ends[i] = at + sizes[i];
		for (; at < ends[i]; at++)
			if (!world.stream[at])
				counts[i]--;
		if (counts[i] || (sizes[i] && world.stream[at - 1]))
			return 0;
	}
	return at == announced;
}

static void begin(const u8 *decisions, const u8 *stream, u64 size)
{
	memset(&world, 0, sizeof world);
	memcpy(world.decisions, decisions, DECISIONS);
	world.size = size < STREAM_SIZE ? size : STREAM_SIZE;
	memcpy(world.stream, stream, world.size);
}

static void run_reply(void)
{
	struct arena arena = {-1, 0, 0};
	if (!setjmp(world.over))
		reply(SOCKET, &arena);
	expect_reply();
}

static void run_exec(u64 announced)
{
	static const char variable[] = "A=1", own[] = "RSYSCALL_UNIX_STUB_SOCK=/x";
	char *environment[] = {(char *)own, (char *)variable, (char *)own, 0};
	struct launch launch = {.environment = environment};
	world.launch = &launch;
	if (!setjmp(world.over))
		become_program(SOCKET, announced, &launch);
	if (!is_program(announced))
		check(world.exec_count == 0 && world.end == EXITED && world.status == RSYSCALL_STATUS_UNAVAILABLE);
	else {
		int is_missing = world.exec_error == ENOENT;
		check(world.exec_count == 1 + (world.exec_error == ENOEXEC && world.is_text));
		check(world.end == EXECUTED || (world.end == EXITED && world.status == (is_missing ? 127 : 126)));
		if (u32_at(12))
			check(environment[0] == variable && !environment[1]);
	}
	free(world.memory);
}

static const u8 at_once[DECISIONS] = {
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

static void test_reply(const u8 *stream, u64 size, enum end how, int status)
{
	begin(at_once, stream, size);
	run_reply();
	check(world.end == how && world.status == status);
}

static void test_exec(const u8 *stream, u64 size, u64 announced, int error, int is_text, enum end how, int count)
{
	begin(at_once, stream, size);
	world.exec_error = error;
	world.is_text = is_text;
	run_exec(announced);
	check(world.end == how && world.exec_count == count);
}

/* Whole initializers, which clang-format takes for blocks. */
/* clang-format off */
#define REPLY(...) (const u8[]){__VA_ARGS__}, sizeof(const u8[]){__VA_ARGS__}
/* clang-format on */

void run_tests(void)
{
	test_reply(REPLY(1, 0, 0, 0, 2, 0, 0, 0, 'h', 'i', 3, 0, 0, 0, 7, 0, 0, 0), EXITED, 7);
	check(memcmp(world.written, "hi", 2) == 0);
	test_reply(REPLY(4, 0, 0, 0, 15, 0, 0, 0), KILLED, 15);
	test_reply(REPLY(4, 0, 0, 0, 17, 0, 0, 0), EXITED, 145);
	/* Not an end, no such status or signal, no output, something behind the end. */
	test_reply(REPLY(1, 0, 0, 0, 1, 0, 0, 0, 'h'), EXITED, 69);
	test_reply(REPLY(3, 0, 0, 0, 0, 1, 0, 0), EXITED, 69);
	test_reply(REPLY(4, 0, 0, 0, 65, 0, 0, 0), EXITED, 69);
	test_reply(REPLY(4, 0, 0, 0, 0, 0, 0, 0), EXITED, 69);
	test_reply(REPLY(1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0), EXITED, 69);
	test_reply(REPLY(1, 0, 0, 0, 1, 0, 16, 0, 3, 0, 0, 0, 0, 0, 0, 0), EXITED, 69);
	test_reply(REPLY(3, 0, 0, 0, 0, 0, 0, 0, 9), EXITED, 69);
	test_reply(REPLY(0, 0, 0, 0, 0, 0, 0, 0), EXITED, 69);

	/* "p", arguments "a" and "", the caller's own environment. */
	u8 exec[32 + 5] = {2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3};
	memcpy(exec + 32, "p\0a\0", 5);
	test_exec(exec, sizeof exec, sizeof exec, 0, 0, EXECUTED, 1);
	test_exec(exec, sizeof exec, sizeof exec, ENOENT, 0, EXITED, 1);
	check(world.status == 127);
	test_exec(exec, sizeof exec, sizeof exec, EACCES, 0, EXITED, 1);
	check(world.status == 126);
	test_exec(exec, sizeof exec, sizeof exec, ENOEXEC, 0, EXITED, 1);
	test_exec(exec, sizeof exec, sizeof exec, ENOEXEC, 1, EXECUTED, 2);
	/* More than was announced, less, and sizes that do not add up. */
	test_exec(exec, sizeof exec, sizeof exec - 1, 0, 0, EXITED, 0);
	test_exec(exec, sizeof exec - 1, sizeof exec, 0, 0, EXITED, 0);
	test_exec(exec, sizeof exec, 31, 0, 0, EXITED, 0);
	test_exec(exec, sizeof exec, 0x1000001, 0, 0, EXITED, 0);
	exec[23] = 255;
	test_exec(exec, sizeof exec, sizeof exec, 0, 0, EXITED, 0);
}

/* The first bytes decide; the lowest bits of the first one, what kind of answer it is and how execve(2) fails. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size <= DECISIONS)
		return 0;
	begin(data, data + DECISIONS, size - DECISIONS);
	if (data[0] & 1) {
		run_reply();
		return 0;
	}
	static const int errors[] = {0, ENOENT, EACCES, ENOEXEC};
	world.exec_error = errors[data[0] >> 1 & 3];
	world.is_text = data[0] >> 3 & 1;
	/* Mostly as many bytes as there are. */
	run_exec(data[0] & 0x80 ? world.size : world.size - 1 + data[1] % 3);
	return 0;
}
