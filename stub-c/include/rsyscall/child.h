/* A child that shares its parent's memory, and serves system calls like it. */
#ifndef RSYSCALL_CHILD_H
#define RSYSCALL_CHILD_H

#include "rsyscall/ring.h"

struct rsyscall_fd_range {
	u32 first;
	u32 last;
};

/* What a child is told; lies in memory that lives as long as the child is in it. */
struct rsyscall_child {
	i32 fd;              /* the stream socket whose requests it serves; -1 for none */
	i32 parent;          /* what getppid() must say; 0 when it cannot tell (another pid namespace) */
	u32 death_signal;    /* it gets this when its parent dies; 0 for none */
	u32 tid;             /* the kernel clears it when the child has left the memory, by exec or exit */
	u64 default_signals; /* bit n-1: the disposition of signal n becomes SIG_DFL */
	u64 sigmask;         /* its signal mask, if it is to be restored */
	u32 restores_sigmask;
	u32 range_count;   /* descriptors that the child closes before all else */
	u32 request_count; /* what it performs then, until one fails */
	u32 failed;        /* out: which one has failed, counted from 1 */
	i64 result;        /* out: its result */
	const struct rsyscall_fd_range *ranges;
	const struct rsyscall_request *requests;
	struct rsyscall_ring *ring; /* where the requests come, and fd wakes; 0: they come over fd */
};

/* struct clone_args of <linux/sched.h>. */
struct rsyscall_clone_args {
	u64 flags;
	u64 pidfd;
	u64 child_tid;
	u64 parent_tid;
	u64 exit_signal;
	u64 stack;
	u64 stack_size;
	u64 tls;
	u64 set_tid;
	u64 set_tid_size;
	u64 cgroup;
};

_Static_assert(sizeof(struct rsyscall_child) == 80, "child");
_Static_assert(sizeof(struct rsyscall_clone_args) == 88, "clone_args");

/* Makes a child, which shares the memory and has a stack of its own. Returns its pid or -errno. */
long rsyscall_clone(const struct rsyscall_clone_args *args, struct rsyscall_child *child);

#endif
