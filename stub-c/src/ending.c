/* How a stub ends when nobody told it to. */
#include "ending.h"
#include "kernel.h"
#include "rsyscall/server.h"
#include "text.h"

static const char *program_name;
static int lifeline_fd = -1;

void name_program(const char *argv0)
{
	const char *last = argv0;
	for (const char *at = argv0; *at; at++)
		if (*at == '/' && at[1])
			last = at + 1;
	if (*last)
		program_name = last;
}

static const char *error_text(long error)
{
	switch (error) {
	case 1:
		return "operation not permitted";
	case ENOENT:
		return "no such file or directory";
	case 13:
		return "permission denied";
	case ENOTDIR:
		return "not a directory";
	case 24:
		return "too many open files";
	case EPIPE:
	case 104:
		return "the other side hung up";
	case 111:
		return "connection refused; its server is gone";
	default:
		return 0;
	}
}

/* Shows what would steer a terminal, or begin a line, as "?": names and paths are others'. */
static void make_printable(char *text)
{
	for (u8 *at = (u8 *)text; *at; at++)
		if (*at < ' ' || *at == 127 || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0))
			*at = '?';
}

void say(const char *what, const char *subject, long error)
{
	char line[1024];
	line[0] = 0;
	if (program_name && append(line, 256, program_name))
		append(line, sizeof line - 300, ": ");
	append(line, sizeof line - 300, "rsyscall: ");
	append(line, sizeof line - 300, what);
	if (subject) {
		append(line, sizeof line - 80, " ");
		append(line, sizeof line - 80, subject);
	}
	if (error) {
		const char *text = error_text(error);
		append(line, sizeof line - 1, ": ");
		append(line, sizeof line - 1, text ? text : "errno ");
		if (!text)
			append_number(line, sizeof line - 1, (u64)error);
	}
	make_printable(line);
	append(line, sizeof line, "\n");

	/* A full pipe or a stopped terminal must not keep the process from ending. */
	struct pollfd poll = {2, POLLOUT, 0};
	struct timespec now = {0, 0};
	if (sys_ppoll(&poll, 1, &now) == 1 && poll.revents == POLLOUT)
		sys_write(2, line, length_of(line));
}

void fail_with(int status, const char *what, const char *subject, long error)
{
	/* The lifeline's handler would say the same once more, between the line and the exit. */
	u64 all = ~0ul;
	syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, 0, sizeof all, 0, 0);
	say(what, subject, error);
	syscall6(SYS_exit_group, status, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

void fail(const char *what, const char *subject, long error)
{
	fail_with(RSYSCALL_STATUS_UNAVAILABLE, what, subject, error);
}

int lifeline_has_closed(int lifeline)
{
	struct pollfd poll = {lifeline, 0, 0};
	struct timespec now = {0, 0};
	return sys_ppoll(&poll, 1, &now) == 1 && poll.revents & POLLHUP;
}

/* Anybody may send this signal; only the kernel can close the other end. */
static void on_lifeline(int signal, void *info, void *context)
{
	(void)signal, (void)info, (void)context;
	if (lifeline_has_closed(lifeline_fd))
		fail(CONTROLLER_GONE, 0, 0);
}

int is_ignored(int signal)
{
	struct {
		u64 handler, flags, restorer, mask;
	} action = {0};
	syscall6(SYS_rt_sigaction, signal, 0, (long)&action, sizeof action.mask, 0, 0);
	return action.handler == SIG_IGN;
}

void handle_signal(int signal, void (*handler)(int signal, void *info, void *context))
{
	struct {
		void (*handler)(int signal, void *info, void *context);
		u64 flags;
		void (*restorer)(void);
		u64 mask;
	} action = {handler, SA_SIGINFO | SA_RESTORER | SA_RESTART, rsyscall_sigreturn, ~0ul};
	u64 unblock = 1ul << (signal - 1);

	syscall6(SYS_rt_sigaction, signal, (long)&action, 0, sizeof unblock, 0, 0);
	syscall6(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&unblock, 0, sizeof unblock, 0, 0);
}

void watch_lifeline_with(int lifeline, void (*handler)(int signal, void *info, void *context))
{
	handle_signal(LIFELINE_SIGNAL, handler);
	sys_fcntl(lifeline, F_SETOWN, syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0));
	sys_fcntl(lifeline, F_SETSIG, LIFELINE_SIGNAL);
	sys_fcntl(lifeline, F_SETFL, O_ASYNC | O_NONBLOCK);
	/* It may have closed before the kernel was asked to tell. */
	handler(LIFELINE_SIGNAL, 0, 0);
}

void watch_lifeline(int lifeline)
{
	lifeline_fd = lifeline;
	watch_lifeline_with(lifeline, on_lifeline);
}
