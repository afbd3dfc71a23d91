/* arm64: how to enter the kernel, and the numbers and structures that differ from other machines. */
#ifndef RSYSCALL_ARCH_SYSCALL_H
#define RSYSCALL_ARCH_SYSCALL_H

#define RSYSCALL_MACHINE 183u /* EM_AARCH64 */
#define RSYSCALL_MACHINE_NAME "aarch64"

/* The kernel keeps every register but the one with the result. */
static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

static inline void copy_memory(void *to, const void *from, unsigned long length)
{
	unsigned char *byte = to;
	const unsigned char *source = from;
	for (; length >= 8; length -= 8, byte += 8, source += 8) {
		unsigned long word;
		__builtin_memcpy(&word, source, 8);
		__builtin_memcpy(byte, &word, 8);
	}
	while (length--)
		*byte++ = *source++;
}

/* Says that this is a loop that waits: the other half of the core may have what it waits for. */
static inline void cpu_relax(void)
{
	__asm__ volatile("yield" ::: "memory");
}

enum {
	SYS_getcwd = 17,
	SYS_epoll_create1 = 20,
	SYS_epoll_ctl = 21,
	SYS_epoll_pwait = 22,
	SYS_dup3 = 24,
	SYS_fcntl = 25,
	SYS_ioctl = 29,
	SYS_unlinkat = 35,
	SYS_ftruncate = 46,
	SYS_chdir = 49,
	SYS_openat = 56,
	SYS_close = 57,
	SYS_pipe2 = 59,
	SYS_getdents64 = 61,
	SYS_read = 63,
	SYS_write = 64,
	SYS_ppoll = 73,
	SYS_readlinkat = 78,
	SYS_newfstatat = 79,
	SYS_exit_group = 94,
	SYS_waitid = 95,
	SYS_unshare = 97,
	SYS_clock_gettime = 113,
	SYS_sched_getaffinity = 123,
	SYS_kill = 129,
	SYS_rt_sigaction = 134,
	SYS_rt_sigprocmask = 135,
	SYS_getsid = 156,
	SYS_setsid = 157,
	SYS_prctl = 167,
	SYS_getpid = 172,
	SYS_getppid = 173,
	SYS_getuid = 174,
	SYS_geteuid = 175,
	SYS_getgid = 176,
	SYS_getegid = 177,
	SYS_socket = 198,
	SYS_socketpair = 199,
	SYS_listen = 201,
	SYS_connect = 203,
	SYS_sendto = 206,
	SYS_recvfrom = 207,
	SYS_setsockopt = 208,
	SYS_getsockopt = 209,
	SYS_shutdown = 210,
	SYS_sendmsg = 211,
	SYS_recvmsg = 212,
	SYS_munmap = 215,
	SYS_clone = 220,
	SYS_execve = 221,
	SYS_mmap = 222,
	SYS_accept4 = 242,
	SYS_wait4 = 260,
	SYS_prlimit64 = 261,
	SYS_process_vm_readv = 270,
	SYS_memfd_create = 279,
	SYS_pwritev2 = 287,
	SYS_statx = 291,
	SYS_pidfd_open = 434,
	SYS_clone3 = 435,
	SYS_close_range = 436,
	SYS_pidfd_getfd = 438,
};

/* open(2) */
#define O_DIRECTORY 040000

/* Bytes of a struct epoll_event. */
#define EPOLL_EVENT_SIZE 16

/* Where the signal mask lies in the ucontext of a signal handler. */
#define UCONTEXT_SIGMASK 40

/* A system call that returns twice, the second time on another stack, from which the child takes a
 * function and its argument to call it. Defined in clone.S. */
long rsyscall_clone_call(long number, long a, long b, long c, long d, long e);

/* clone(2), whose last two arguments change places between machines. The kernel puts the pidfd where
 * it would put the parent's copy of the tid. */
#define RSYSCALL_CLONE2(flags, stack, pidfd, child_tid) \
	rsyscall_clone_call(SYS_clone, (long)(flags), (long)(stack), (long)(pidfd), 0, (long)(child_tid))

/* rt_sigaction(2) wants code of ours to leave a handler with. Defined in start.S. */
void rsyscall_sigreturn(void);

/* Calls a function that can be left from within, and from a signal handler: rsyscall_leave makes its call
 * return `result`, as longjmp(3) does. `place` is where that is, until then. Defined in leave.S. */
long rsyscall_enter(unsigned long *place, long (*function)(void *), void *argument);
__attribute__((noreturn)) void rsyscall_leave(const unsigned long *place, long result);

#endif
