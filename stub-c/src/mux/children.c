#include "children.h"
#include "kernel.h"

#define SIGKILL 9
#define SIGCHLD 17
#define WNOHANG 1
#define PR_SET_CHILD_SUBREAPER 36

/* How long those get to end that the kernel kills with the server. What was left in the background stays. */
#define END_LIMIT_MS 500

static i32 server;
static u64 poll_mask;
static int is_init;

static void on_child(int signal)
{
	(void)signal;
}

u64 watch_children(i32 pid)
{
	/* The signal interrupts a poll, and nothing else. */
	struct {
		void (*handler)(int);
		u64 flags;
		void (*restorer)(void);
		u64 mask;
	} action = {on_child, SA_RESTORER, rsyscall_sigreturn, 0};
	u64 block = 1ul << (SIGCHLD - 1);
	u64 mask = 0;
	syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&block, (long)&mask, sizeof mask, 0, 0);
	syscall6(SYS_rt_sigaction, SIGCHLD, (long)&action, 0, sizeof mask, 0, 0);
	/* Children that the server leaves come to us, and not to a first process that may not wait for them: most
	 * containers have such a one, and would keep them as zombies. */
	syscall6(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0);
	is_init = syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0) == 1;
	server = pid;
	poll_mask = mask & ~block;
	return poll_mask;
}

/* Returns 0 when there is no child at all. */
static int reap(void)
{
	long pid;
	do {
		pid = syscall6(SYS_wait4, -1, 0, WNOHANG, 0, 0, 0);
		if (pid == server)
			server = 0;
	} while (pid > 0 || pid == -EINTR);
	return pid != -ECHILD;
}

int reap_children(void)
{
	int has_children = reap();
	if (!has_children)
		server = 0;
	return is_init ? has_children : server != 0;
}

static i64 now_ms(void)
{
	struct timespec time;
	syscall6(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&time, 0, 0, 0, 0);
	return time.seconds * 1000 + time.nanoseconds / 1000000;
}

void end_children(void)
{
	i64 end = now_ms() + END_LIMIT_MS;
	if (server)
		syscall6(SYS_kill, server, SIGKILL, 0, 0, 0, 0);
	while (reap()) {
		i64 left = end - now_ms();
		struct timespec time = {left / 1000, left % 1000 * 1000000};
		if (left <= 0)
			return;
		syscall6(SYS_ppoll, 0, 0, (long)&time, (long)&poll_mask, sizeof poll_mask, 0);
	}
}
