/* A child that shares its parent's memory and serves system calls as the parent does. */
#ifndef RSYSCALL_CHILD_H
#define RSYSCALL_CHILD_H

#include "rsyscall/ring.h"

struct rsyscall_fd_range {
	u32 first;
	u32 last;
};

/* What a child is told. It must stay in memory as long as the child is in that memory. */
struct rsyscall_child {
	i32 fd;              /* the stream socket whose requests it serves; -1 for none */
	i32 parent;          /* what getppid() must return; 0: not checked, as in another pid namespace */
	u32 death_signal;    /* the signal that the child gets when its parent dies; 0 for none */
	u32 tid;             /* the kernel clears it when the child has left the memory, by exec or exit */
	u64 default_signals; /* bit n-1: the disposition of signal n becomes SIG_DFL */
	u64 sigmask;         /* the child's signal mask, if restores_sigmask */
	u32 restores_sigmask;
	u32 range_count;   /* descriptors that the child closes first */
	u32 request_count; /* requests that it performs next, until one fails */
	u32 failed;        /* out: which request failed, counted from 1; 0: none */
	i64 result;        /* out: the result of that request */
	const struct rsyscall_fd_range *ranges;
	const struct rsyscall_request *requests;
	struct rsyscall_ring *ring; /* where requests arrive, with fd to wake the child; 0: they arrive over fd */
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

/* Makes a child, which shares the memory and has a stack of its own, and which begins with `run`. `run` must not
 * return. Returns the child's pid or -errno. */
long rsyscall_clone(const struct rsyscall_clone_args *args, struct rsyscall_child *child,
		    void (*run)(struct rsyscall_child *child));

/* What a child does, by a function that performs requests. */
__attribute__((noreturn)) void rsyscall_run_child(struct rsyscall_child *child, rsyscall_performer *perform);

#endif
