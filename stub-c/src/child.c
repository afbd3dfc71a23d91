/* A child in the parent's memory: made by clone3(2), or by clone(2) where that is refused.
 *
 * The parent may be a runtime with handlers, threads and thread-local storage. None of that may be
 * touched here: no libc, no global state, and no handler of the parent ever runs in the child. */
#include "rsyscall/child.h"
#include "kernel.h"
#include "rsyscall/descriptors.h"
#include "rsyscall/server.h"

#define SIG_SETMASK 2
#define SIGNALS 64
#define PR_SET_PDEATHSIG 1
#define CLONE_CLEAR_SIGHAND 0x100000000ull

static void close_ranges(const struct rsyscall_child *child)
{
	for (u32 i = 0; i < child->range_count; i++)
		rsyscall_close_range(child->ranges[i].first, child->ranges[i].last);
}

static void set_default(u64 signals)
{
	struct {
		u64 handler, flags, restorer, mask;
	} action = {0};
	for (int signal = 1; signal <= SIGNALS; signal++)
		if (signals >> (signal - 1) & 1)
			syscall6(SYS_rt_sigaction, signal, (long)&action, 0, sizeof(u64), 0, 0);
}

static void set_sigmask(u64 mask, u64 *old)
{
	syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, (long)old, sizeof mask, 0, 0);
}

/* Whether all requests that the parent gave along went well. */
static int perform_requests(struct rsyscall_child *child)
{
	for (u32 i = 0; i < child->request_count; i++) {
		long result = rsyscall_perform(&child->requests[i]);
		if (result < 0 && result >= -4095) {
			child->result = result;
			child->failed = i + 1;
			return 0;
		}
	}
	return 1;
}

/* Where a child begins, on its own stack. */
__attribute__((noreturn)) static void serve(struct rsyscall_child *child)
{
	if (child->death_signal) {
		syscall6(SYS_prctl, PR_SET_PDEATHSIG, child->death_signal, 0, 0, 0, 0);
		/* The parent may have died before the kernel was asked to tell. */
		if (child->parent && syscall6(SYS_getppid, 0, 0, 0, 0, 0, 0) != child->parent)
			syscall6(SYS_exit_group, RSYSCALL_STATUS_UNAVAILABLE, 0, 0, 0, 0, 0);
	}
	/* Copies of other channels' ends would keep their other ends from ever seeing a hang-up. */
	close_ranges(child);
	set_default(child->default_signals);
	if (child->restores_sigmask)
		set_sigmask(child->sigmask, 0);
	if (perform_requests(child) && child->fd >= 0) {
		if (child->ring)
			rsyscall_serve_ring(child->fd, child->ring);
		else
			rsyscall_server(child->fd, child->fd);
	}
	syscall6(SYS_exit_group, RSYSCALL_STATUS_UNAVAILABLE, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

/* clone(2) cannot clear the handlers for us. Until the child has done it, signals must wait: a
 * handler of the parent would run in the child, on the parent's thread-local storage. */
static long clone_without_clone3(const struct rsyscall_clone_args *args, struct rsyscall_child *child, long refusal)
{
	if ((args->flags & ~CLONE_CLEAR_SIGHAND) >> 32 || args->flags & 0xff)
		return refusal; /* flags that only clone3 has */
	u64 flags = (args->flags & ~CLONE_CLEAR_SIGHAND) | args->exit_signal;
	u64 *top = (u64 *)(args->stack + args->stack_size);
	u64 handled = 0;

	for (int signal = 1; signal <= SIGNALS; signal++) {
		struct {
			u64 handler, flags, restorer, mask;
		} action;
		if (!syscall6(SYS_rt_sigaction, signal, 0, (long)&action, sizeof(u64), 0, 0) && action.handler > 1)
			handled |= 1ul << (signal - 1);
	}
	child->default_signals |= handled;
	child->restores_sigmask = 1;
	set_sigmask(~0ul, &child->sigmask);
	u64 mask = child->sigmask;
	long pid = RSYSCALL_CLONE2(flags, top, args->pidfd, args->child_tid);
	set_sigmask(mask, 0);
	return pid;
}

long rsyscall_clone(const struct rsyscall_clone_args *args, struct rsyscall_child *child)
{
	/* The child's first two words: what it calls, and with what. */
	u64 *top = (u64 *)(args->stack + args->stack_size);
	top[0] = (u64)serve;
	top[1] = (u64)child;
	long pid = rsyscall_clone_call(SYS_clone3, (long)args, sizeof *args, 0, 0, 0);
	/* EPERM is the answer of old seccomp profiles to what they do not know. If it is the kernel's, clone(2)
	 * gives it as well. */
	return pid == -ENOSYS || pid == -EPERM ? clone_without_clone3(args, child, pid) : pid;
}
