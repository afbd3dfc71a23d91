/* A machine without a kernel, for tests on a host with a C library: each system call calls a function of the test. */
#ifndef RSYSCALL_ARCH_SYSCALL_H
#define RSYSCALL_ARCH_SYSCALL_H

#include <stdlib.h>
#include <string.h>

#define RSYSCALL_MACHINE 0u /* EM_NONE */
#define RSYSCALL_MACHINE_NAME "fake"

/* Defined by the test. */
long syscall6(long number, long a, long b, long c, long d, long e, long f);
void cpu_relax(void);

/* A forward copy, as on the other machines. */
static inline void copy_memory(void *to, const void *from, unsigned long length)
{
	if (to > from && (char *)to < (const char *)from + length)
		abort();
	memmove(to, from, length);
}

/* Numbers that no request of a test has by chance. */
enum {
	SYS_FAKE = 1000000,
	SYS_read,
	SYS_write,
	SYS_close,
	SYS_mmap,
	SYS_munmap,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_ioctl,
	SYS_getpid,
	SYS_socket,
	SYS_connect,
	SYS_sendto,
	SYS_recvfrom,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_shutdown,
	SYS_listen,
	SYS_socketpair,
	SYS_setsockopt,
	SYS_getsockopt,
	SYS_clone,
	SYS_wait4,
	SYS_kill,
	SYS_fcntl,
	SYS_ftruncate,
	SYS_getcwd,
	SYS_chdir,
	SYS_getuid,
	SYS_getgid,
	SYS_geteuid,
	SYS_getegid,
	SYS_getppid,
	SYS_setsid,
	SYS_getsid,
	SYS_prctl,
	SYS_sched_getaffinity,
	SYS_getdents64,
	SYS_clock_gettime,
	SYS_exit_group,
	SYS_epoll_ctl,
	SYS_waitid,
	SYS_openat,
	SYS_newfstatat,
	SYS_unlinkat,
	SYS_readlinkat,
	SYS_ppoll,
	SYS_unshare,
	SYS_epoll_pwait,
	SYS_accept4,
	SYS_epoll_create1,
	SYS_dup3,
	SYS_pipe2,
	SYS_prlimit64,
	SYS_process_vm_readv,
	SYS_memfd_create,
	SYS_pwritev2,
	SYS_statx,
	SYS_pidfd_open,
	SYS_clone3,
	SYS_close_range,
	SYS_pidfd_getfd,
	SYS_execve,
};

/* open(2) */
#define O_DIRECTORY 0200000

/* Bytes of a struct epoll_event. */
#define EPOLL_EVENT_SIZE 16

/* Of the functions in assembly, a test defines those that its sources need: see the other machines. */
long rsyscall_clone_call(long number, long a, long b, long c, long d, long e);
#define RSYSCALL_CLONE2(flags, stack, pidfd, child_tid) \
	rsyscall_clone_call(SYS_clone, (long)(flags), (long)(stack), (long)(pidfd), (long)(child_tid), 0)
void rsyscall_sigreturn(void);

#endif
