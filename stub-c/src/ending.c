#include "ending.h"
#include "rsyscall/server.h"
#include "sys.h"
#include "text.h"

/* Bytes of the parts of a message. The reason and the newline always fit. */
#define LINE_SIZE 1024
#define NAME_SIZE 256
#define WHAT_SIZE (LINE_SIZE - 300)
#define SUBJECT_SIZE (LINE_SIZE - 80)

#define DELETE 127
#define C1_LEAD 0xc2 /* of the UTF-8 of U+0080 to U+009F */

static const char *program_name;
static int lifeline_fd = -1;

void set_program_name(const char *argv0)
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
	case EPERM:
		return "operation not permitted";
	case ENOENT:
		return "no such file or directory";
	case EACCES:
		return "permission denied";
	case EIO:
		return "input/output error";
	case E2BIG:
		return "argument list too long";
	case ENOEXEC:
		return "not a program for this machine, and not a script";
	case ENOTDIR:
		return "not a directory";
	case EMFILE:
		return "too many open files";
	case EFBIG:
		return "file too large";
	case ENOSPC:
		return "no space left on device";
	case EPIPE:
	case ECONNRESET:
		return "the other side hung up";
	case ECONNREFUSED:
		return "connection refused; its server is gone";
	default:
		return 0;
	}
}

/* Replaces control characters by "?": names and paths come from others, and could steer the terminal. */
static void make_printable(char *text)
{
	for (u8 *at = (u8 *)text; *at; at++)
		if (*at < ' ' || *at == DELETE || (at[0] == C1_LEAD && at[1] >= 0x80 && at[1] < 0xa0))
			*at = '?';
}

void print_error(const char *what, const char *subject, long error)
{
	char line[LINE_SIZE];
	line[0] = 0;
	if (program_name && append(line, NAME_SIZE, program_name))
		append(line, WHAT_SIZE, ": ");
	append(line, WHAT_SIZE, "rsyscall: ");
	append(line, WHAT_SIZE, what);
	if (subject) {
		append(line, SUBJECT_SIZE, " ");
		append(line, SUBJECT_SIZE, subject);
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
	struct pollfd poll = {STDERR, POLLOUT, 0};
	struct timespec now = {0, 0};
	if (sys_ppoll(&poll, 1, &now, 0) == 1 && poll.revents == POLLOUT)
		sys_write(STDERR, line, length_of(line));
}

void fail_with(int status, const char *what, const char *subject, long error)
{
	/* Otherwise the lifeline's handler could print a second line before the exit. */
	u64 all = SIGSET_ALL;
	sys_sigprocmask(SIG_BLOCK, &all, 0);
	print_error(what, subject, error);
	sys_exit_group(status);
}

void fail(const char *what, const char *subject, long error)
{
	fail_with(RSYSCALL_STATUS_UNAVAILABLE, what, subject, error);
}

int lifeline_has_closed(int lifeline)
{
	struct pollfd poll = {lifeline, 0, 0};
	struct timespec now = {0, 0};
	return sys_ppoll(&poll, 1, &now, 0) == 1 && poll.revents & POLLHUP;
}

/* Other processes may send this signal too. */
static void on_lifeline(int signal, void *info, void *context)
{
	(void)signal, (void)info, (void)context;
	if (lifeline_has_closed(lifeline_fd))
		fail(CONTROLLER_GONE, 0, 0);
}

int is_ignored(int signal)
{
	struct sigaction action = {.action.disposition = SIG_DFL};
	sys_sigaction(signal, 0, &action);
	return action.action.disposition == SIG_IGN;
}

void handle_signal(int signal, signal_handler *handler)
{
	struct sigaction action = {
		{.handler = handler}, SA_SIGINFO | SA_RESTORER | SA_RESTART, rsyscall_sigreturn, SIGSET_ALL};
	u64 unblock = sigmask_of(signal);
	sys_sigaction(signal, &action, 0);
	sys_sigprocmask(SIG_UNBLOCK, &unblock, 0);
}

void watch_lifeline_with(int lifeline, signal_handler *handler)
{
	handle_signal(LIFELINE_SIGNAL, handler);
	sys_fcntl(lifeline, F_SETOWN, sys_getpid());
	sys_fcntl(lifeline, F_SETSIG, LIFELINE_SIGNAL);
	sys_fcntl(lifeline, F_SETFL, O_ASYNC | O_NONBLOCK);
	/* The lifeline may have closed before that. */
	handler(LIFELINE_SIGNAL, 0, 0);
}

void watch_lifeline(int lifeline)
{
	lifeline_fd = lifeline;
	watch_lifeline_with(lifeline, on_lifeline);
}
