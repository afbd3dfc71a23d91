/* x86-64: how to enter the kernel, and the numbers and structures that differ from other machines. */
#ifndef RSYSCALL_ARCH_SYSCALL_H
#define RSYSCALL_ARCH_SYSCALL_H

#define RSYSCALL_MACHINE 62u /* EM_X86_64 */
#define RSYSCALL_MACHINE_NAME "x86_64"

/* The kernel destroys rcx and r11, and keeps the rest. */
static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline void copy_memory(void *to, const void *from, unsigned long length)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

/* Says that this is a loop that waits: the other half of the core may have what it waits for. */
static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

enum {
	SYS_read = 0,
	SYS_write = 1,
	SYS_close = 3,
	SYS_mmap = 9,
	SYS_munmap = 11,
	SYS_rt_sigaction = 13,
	SYS_rt_sigprocmask = 14,
	SYS_ioctl = 16,
	SYS_getpid = 39,
	SYS_socket = 41,
	SYS_connect = 42,
	SYS_sendto = 44,
	SYS_recvfrom = 45,
	SYS_sendmsg = 46,
	SYS_recvmsg = 47,
	SYS_shutdown = 48,
	SYS_listen = 50,
	SYS_socketpair = 53,
	SYS_setsockopt = 54,
	SYS_getsockopt = 55,
	SYS_clone = 56,
	SYS_execve = 59,
	SYS_wait4 = 61,
	SYS_kill = 62,
	SYS_fcntl = 72,
	SYS_ftruncate = 77,
	SYS_getcwd = 79,
	SYS_chdir = 80,
	SYS_getuid = 102,
	SYS_getgid = 104,
	SYS_geteuid = 107,
	SYS_getegid = 108,
	SYS_getppid = 110,
	SYS_setsid = 112,
	SYS_getsid = 124,
	SYS_prctl = 157,
	SYS_sched_getaffinity = 204,
	SYS_getdents64 = 217,
	SYS_clock_gettime = 228,
	SYS_exit_group = 231,
	SYS_epoll_ctl = 233,
	SYS_waitid = 247,
	SYS_openat = 257,
	SYS_newfstatat = 262,
	SYS_unlinkat = 263,
	SYS_readlinkat = 267,
	SYS_ppoll = 271,
	SYS_unshare = 272,
	SYS_epoll_pwait = 281,
	SYS_accept4 = 288,
	SYS_epoll_create1 = 291,
	SYS_dup3 = 292,
	SYS_pipe2 = 293,
	SYS_prlimit64 = 302,
	SYS_process_vm_readv = 310,
	SYS_memfd_create = 319,
	SYS_pwritev2 = 328,
	SYS_statx = 332,
	SYS_pidfd_open = 434,
	SYS_clone3 = 435,
	SYS_close_range = 436,
	SYS_pidfd_getfd = 438,
};

/* open(2) */
#define O_DIRECTORY 0200000

/* Bytes of a struct epoll_event, which is packed here and nowhere else. */
#define EPOLL_EVENT_SIZE 12

/* Where the signal mask lies in the ucontext of a signal handler. */
#define UCONTEXT_SIGMASK 296

/* A system call that returns twice, the second time on another stack, from which the child takes a
 * function and its argument to call it. Defined in clone.S. */
long rsyscall_clone_call(long number, long a, long b, long c, long d, long e);

/* clone(2), whose last two arguments change places between machines. The kernel puts the pidfd where
 * it would put the parent's copy of the tid. */
#define RSYSCALL_CLONE2(flags, stack, pidfd, child_tid) \
	rsyscall_clone_call(SYS_clone, (long)(flags), (long)(stack), (long)(pidfd), (long)(child_tid), 0)

/* rt_sigaction(2) wants code of ours to leave a handler with. Defined in start.S. */
void rsyscall_sigreturn(void);

/* Calls a function that can be left from within, and from a signal handler: rsyscall_leave makes its call
 * return `result`, as longjmp(3) does. `place` is where that is, until then. Defined in leave.S. */
long rsyscall_enter(unsigned long *place, long (*function)(void *), void *argument);
__attribute__((noreturn)) void rsyscall_leave(const unsigned long *place, long result);

#endif
