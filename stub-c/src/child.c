/* A child in its parent's memory: made by clone3(2), or by clone(2) where that is refused.
 *
 * The parent may be a runtime with signal handlers, threads and thread-local storage. The child must touch none of
 * these: it uses no libc and no global state, and never runs a handler of the parent. */
#include "rsyscall/child.h"
#include "rsyscall/descriptors.h"
#include "rsyscall/server.h"
#include "sys.h"

/* Nanoseconds. The first request comes when the child has begun. */
#define CHILD_SPIN 50000

static void set_default(u64 signals)
{
	for (int signal = 1; signal <= SIGNALS; signal++)
		if (signals & sigmask_of(signal))
			set_disposition(signal, SIG_DFL);
}

/* Whether all requests that the parent passed to the child succeeded. */
static int perform_requests(struct rsyscall_child *child, rsyscall_performer *perform)
{
	for (u32 i = 0; i < child->request_count; i++) {
		long result = perform(&child->requests[i]);
		if (is_error(result)) {
			child->result = result;
			child->failed = i + 1;
			return 0;
		}
	}
	return 1;
}

void rsyscall_run_child(struct rsyscall_child *child, rsyscall_performer *perform)
{
	if (child->death_signal) {
		sys_prctl(PR_SET_PDEATHSIG, child->death_signal);
		/* The parent may have died before that. */
		if (child->parent && sys_getppid() != child->parent)
			sys_exit_group(RSYSCALL_STATUS_UNAVAILABLE);
	}
	/* As long as the child has copies of a channel's end, the other end sees no hang-up. */
	for (u32 i = 0; i < child->range_count; i++)
		rsyscall_close_range(child->ranges[i].first, child->ranges[i].last);
	set_default(child->default_signals);
	if (child->restores_sigmask)
		sys_sigprocmask(SIG_SETMASK, &child->sigmask, 0);
	if (perform_requests(child, perform) && child->fd >= 0) {
		if (child->ring)
			rsyscall_serve_ring(child->fd, child->ring, perform, CHILD_SPIN);
		else
			rsyscall_serve_socket(child->fd, child->fd, perform);
	}
	sys_exit_group(RSYSCALL_STATUS_UNAVAILABLE);
}

/* clone(2) does not clear the handlers. Until the child has done that itself, signals must stay blocked: a handler
 * of the parent would run in the child, on the parent's thread-local storage. */
static long clone_without_clone3(const struct rsyscall_clone_args *args, struct rsyscall_child *child, long refusal)
{
	u64 flags = args->flags & ~CLONE_CLEAR_SIGHAND;
	if (flags >> 32 || flags & CSIGNAL)
		return refusal; /* flags that only clone3 has */
	u64 *top = (u64 *)(args->stack + args->stack_size);
	u64 handled = 0;

	for (int signal = 1; signal <= SIGNALS; signal++) {
		struct sigaction action;
		if (sys_sigaction(signal, 0, &action) == 0 && action.action.disposition > SIG_IGN)
			handled |= sigmask_of(signal);
	}
	child->default_signals |= handled;
	child->restores_sigmask = 1;
	u64 all = SIGSET_ALL;
	sys_sigprocmask(SIG_SETMASK, &all, &child->sigmask);
	u64 mask = child->sigmask;
	long pid = RSYSCALL_CLONE2(flags | args->exit_signal, top, args->pidfd, args->child_tid);
	sys_sigprocmask(SIG_SETMASK, &mask, 0);
	return pid;
}

long rsyscall_clone(const struct rsyscall_clone_args *args, struct rsyscall_child *child,
		    void (*run)(struct rsyscall_child *child))
{
	/* The first two words on the child's stack: the function that it calls, and the argument. */
	u64 *top = (u64 *)(args->stack + args->stack_size);
	top[0] = (u64)run;
	top[1] = (u64)child;
	long pid = rsyscall_clone_call(SYS_clone3, (long)args, sizeof *args, 0, 0, 0);
	/* Old seccomp profiles refuse unknown calls with EPERM. If the kernel refuses this one, clone(2) is refused too. */
	return pid == -ENOSYS || pid == -EPERM ? clone_without_clone3(args, child, pid) : pid;
}
