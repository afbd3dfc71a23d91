#include "children.h"
#include "orphans.h"
#include "sys.h"

/* How long end_children waits. Processes in the background do not end with the server. */
#define END_LIMIT_MS 500

/* How often end_children looks for orphans, besides at each end of a child: a list of children that changes while it is
 * read may miss one. */
#define LOOK_AGAIN_MS 10

#define INIT 1 /* the pid of the first process */

static i32 server;
static u64 poll_mask;
static int is_init;

static void on_child(int signal, void *info, void *context)
{
	(void)signal, (void)info, (void)context;
}

u64 watch_children(i32 pid)
{
	/* The signal only interrupts a poll: it is blocked otherwise. */
	struct sigaction action = {{.handler = on_child}, SA_SIGINFO | SA_RESTORER, rsyscall_sigreturn, 0};
	u64 block = sigmask_of(SIGCHLD);
	u64 mask = 0;
	sys_sigprocmask(SIG_BLOCK, &block, &mask);
	sys_sigaction(SIGCHLD, &action, 0);
	/* Orphans become children of this process. The first process of most containers would not wait for them, and
	 * they would stay zombies. */
	sys_prctl(PR_SET_CHILD_SUBREAPER, 1);
	is_init = sys_getpid() == INIT;
	server = pid;
	poll_mask = mask & ~block;
	return poll_mask;
}

/* Returns 0 if there are no children. */
static int reap(void)
{
	int pid;
	do {
		pid = sys_wait4(-1, WNOHANG);
		if (pid == server)
			server = 0;
		if (pid > 0)
			forget_spared(pid);
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
	struct timespec time = {0, 0};
	sys_clock_gettime(CLOCK_MONOTONIC, &time);
	return time.seconds * 1000 + time.nanoseconds / 1000000;
}

void end_children(int is_cut)
{
	i64 end = now_ms() + END_LIMIT_MS;
	int kills = is_cut && server && spare_known();
	if (server)
		sys_kill(server, SIGKILL);
	while (reap()) {
		/* From the end of the server on, its children are children of this process, and those that are to end with
		 * it have got their signal. */
		if (kills && !server)
			kill_orphans();
		i64 left = end - now_ms();
		if (left <= 0)
			return;
		if (kills && left > LOOK_AGAIN_MS)
			left = LOOK_AGAIN_MS;
		struct timespec time = {left / 1000, left % 1000 * 1000000};
		sys_ppoll(0, 0, &time, &poll_mask);
	}
}
