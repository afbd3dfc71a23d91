/* What rsyscall asks of the kernel for a child in its own memory, and nothing besides: a floor for its launches.
 *   clone run COUNT PROGRAM   clone3 with a pidfd, and without waiting for the exec; the child closes descriptors,
 *                             resets signals and executes; the parent waits by nested epoll instances, as a loop does
 *   clone fork COUNT          two socket pairs, and a child that answers a first request in memory, for which the
 *                             parent watches
 * Prints nanoseconds, one a line. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

extern char **environ;

static char stack[65536] __attribute__((aligned(64)));
static char *program;
static _Atomic int request, answer;

/* The child shares the memory, and so errno: it makes system calls without libc. */
static long call(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = d;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#endif
}

struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

__attribute__((noreturn, used)) static void child(void)
{
	struct kernel_sigaction action = {0};
	unsigned long mask = 0;
	char *argv[] = {program, NULL};
	call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	call(SYS_getppid, 0, 0, 0, 0);
	call(SYS_close_range, 3, ~0u, 0, 0);
	call(SYS_rt_sigaction, SIGPIPE, (long)&action, 0, 8);
	call(SYS_rt_sigaction, SIGXFSZ, (long)&action, 0, 8);
	if (program) {
		call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8);
		call(SYS_execve, (long)program, (long)argv, (long)environ, 0);
	} else {
		while (!atomic_load(&request))
			;
		atomic_store(&answer, (int)call(SYS_getpid, 0, 0, 0, 0));
	}
	for (;;)
		call(SYS_exit_group, program != NULL, 0, 0, 0);
}

/* A system call that returns on another stack in the child. */
long clone_child(struct clone_args *args, size_t size);
#if defined(__x86_64__)
__asm__(".text\nclone_child:\n\tmov $435, %eax\n\tsyscall\n\ttest %rax, %rax\n\tjz 1f\n\tret\n1:\txor %ebp, "
	"%ebp\n\tcall "
	"child\n");
#elif defined(__aarch64__)
__asm__(".text\nclone_child:\n\tmov x8, #435\n\tsvc #0\n\tcbz x0, 1f\n\tret\n1:\tmov x29, #0\n\tbl child\n");
#endif

static int begin(void)
{
	static unsigned tid;
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_CLEAR_SIGHAND,
		.pidfd = (uintptr_t)&pidfd,
		.child_tid = (uintptr_t)&tid,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = sizeof stack,
	};
	if (clone_child(&args, sizeof args) < 0)
		exit(1);
	return pidfd;
}

static void add(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Waits for the end of the child, and forgets it. */
static void reap(int outer, int inner, int pidfd)
{
	struct epoll_event event;
	siginfo_t info;
	while (epoll_wait(outer, &event, 1, -1) < 0 && errno == EINTR)
		;
	epoll_wait(inner, &event, 1, 0);
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 || info.si_status != 0)
		exit(1);
	epoll_ctl(inner, EPOLL_CTL_DEL, pidfd, NULL);
	close(pidfd);
}

int main(int argc, char **argv)
{
	int forks = argc == 3 && strcmp(argv[1], "fork") == 0;
	if (!forks && !(argc == 4 && strcmp(argv[1], "run") == 0)) {
		fprintf(stderr, "usage: clone run COUNT PROGRAM | clone fork COUNT\n");
		return 64;
	}
	program = forks ? NULL : argv[3];
	int outer = epoll_create1(EPOLL_CLOEXEC), inner = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = inner};
	epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event);
	for (long left = atol(argv[2]); left > 0; left--) {
		long long start = now(), end;
		int pairs[2][2], pidfd;
		if (forks) {
			atomic_store(&request, 0);
			atomic_store(&answer, 0);
			for (int i = 0; i < 2; i++)
				socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]);
			add(inner, pairs[0][0]);
			pidfd = begin();
			close(pairs[0][1]);
			close(pairs[1][1]);
			add(inner, pidfd);
			atomic_store(&request, 1);
			while (!atomic_load(&answer))
				;
			end = now();
			close(pairs[0][0]);
			close(pairs[1][0]);
			reap(outer, inner, pidfd);
		} else {
			pidfd = begin();
			add(inner, pidfd);
			epoll_wait(outer, &event, 1, 0);
			reap(outer, inner, pidfd);
			end = now();
		}
		printf("%lld\n", end - start);
	}
	return 0;
}
