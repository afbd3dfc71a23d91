/* System calls by the names of their man pages, with typed arguments. Each returns what the kernel returns: -errno
 * for an error. A call is here if this code makes it; arguments that it never uses are left out. */
#ifndef RSYSCALL_SYS_H
#define RSYSCALL_SYS_H

#include "kernel.h"

static inline long syscall0(long number)
{
	return syscall6(number, 0, 0, 0, 0, 0, 0);
}

static inline long syscall1(long number, long a)
{
	return syscall6(number, a, 0, 0, 0, 0, 0);
}

static inline long syscall2(long number, long a, long b)
{
	return syscall6(number, a, b, 0, 0, 0, 0);
}

static inline long syscall3(long number, long a, long b, long c)
{
	return syscall6(number, a, b, c, 0, 0, 0);
}

static inline long syscall4(long number, long a, long b, long c, long d)
{
	return syscall6(number, a, b, c, d, 0, 0);
}

static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	return syscall6(number, a, b, c, d, e, 0);
}

/* ---- Descriptors and files ---- */

static inline long sys_read(int fd, void *to, u64 length)
{
	return syscall3(SYS_read, fd, (long)to, (long)length);
}

static inline long sys_write(int fd, const void *from, u64 length)
{
	return syscall3(SYS_write, fd, (long)from, (long)length);
}

/* pwritev2(2) at the current position */
static inline long sys_writev2(int fd, const struct iovec *parts, int count, int flags)
{
	return syscall6(SYS_pwritev2, fd, (long)parts, count, -1, -1, flags);
}

static inline int sys_close(int fd)
{
	return (int)syscall1(SYS_close, fd);
}

static inline int sys_close_range(u32 first, u32 last)
{
	return (int)syscall3(SYS_close_range, first, last, 0);
}

static inline int sys_open(const char *path, int flags)
{
	return (int)syscall3(SYS_openat, AT_FDCWD, (long)path, flags);
}

static inline int sys_unlink(const char *path)
{
	return (int)syscall3(SYS_unlinkat, AT_FDCWD, (long)path, 0);
}

static inline long sys_readlink(const char *path, char *to, u64 size)
{
	return syscall4(SYS_readlinkat, AT_FDCWD, (long)path, (long)to, (long)size);
}

static inline int sys_stat(const char *path, struct stat *status)
{
	return (int)syscall4(SYS_newfstatat, AT_FDCWD, (long)path, (long)status, 0);
}

static inline int sys_statx(const char *path, u32 mask, struct statx *status)
{
	return (int)syscall5(SYS_statx, AT_FDCWD, (long)path, 0, mask, (long)status);
}

static inline long sys_getdents64(int fd, void *to, u64 size)
{
	return syscall3(SYS_getdents64, fd, (long)to, (long)size);
}

static inline long sys_getcwd(char *to, u64 size)
{
	return syscall2(SYS_getcwd, (long)to, (long)size);
}

static inline int sys_chdir(const char *path)
{
	return (int)syscall1(SYS_chdir, (long)path);
}

static inline int sys_ftruncate(int fd, u64 size)
{
	return (int)syscall2(SYS_ftruncate, fd, (long)size);
}

static inline int sys_fcntl(int fd, int command, long argument)
{
	return (int)syscall3(SYS_fcntl, fd, command, argument);
}

static inline int sys_ioctl(int fd, long request, void *argument)
{
	return (int)syscall3(SYS_ioctl, fd, request, (long)argument);
}

static inline int sys_dup3(int fd, int to, int flags)
{
	return (int)syscall3(SYS_dup3, fd, to, flags);
}

static inline int sys_pipe2(i32 fds[2], int flags)
{
	return (int)syscall2(SYS_pipe2, (long)fds, flags);
}

static inline int sys_memfd_create(const char *name, u32 flags)
{
	return (int)syscall2(SYS_memfd_create, (long)name, flags);
}

/* ---- Sockets ---- */

static inline int sys_socket(int domain, int type)
{
	return (int)syscall3(SYS_socket, domain, type, 0);
}

static inline int sys_socketpair(int domain, int type, i32 fds[2])
{
	return (int)syscall4(SYS_socketpair, domain, type, 0, (long)fds);
}

static inline int sys_connect(int fd, const struct sockaddr_un *address)
{
	return (int)syscall3(SYS_connect, fd, (long)address, sizeof *address);
}

static inline int sys_listen(int fd, int backlog)
{
	return (int)syscall2(SYS_listen, fd, backlog);
}

static inline int sys_accept4(int fd, int flags)
{
	return (int)syscall4(SYS_accept4, fd, 0, 0, flags);
}

static inline int sys_shutdown(int fd, int how)
{
	return (int)syscall2(SYS_shutdown, fd, how);
}

/* An option of level SOL_SOCKET */
static inline int sys_getsockopt(int fd, int option, void *value, u32 *size)
{
	return (int)syscall5(SYS_getsockopt, fd, SOL_SOCKET, option, (long)value, (long)size);
}

/* An option of level SOL_SOCKET */
static inline int sys_setsockopt(int fd, int option, const void *value, u32 size)
{
	return (int)syscall5(SYS_setsockopt, fd, SOL_SOCKET, option, (long)value, size);
}

/* With MSG_NOSIGNAL: if the peer is gone the result is EPIPE, and no SIGPIPE ends the process. */
static inline long sys_send(int fd, const void *from, u64 length, int flags)
{
	return syscall6(SYS_sendto, fd, (long)from, (long)length, MSG_NOSIGNAL | flags, 0, 0);
}

static inline long sys_recv(int fd, void *to, u64 length, int flags)
{
	return syscall6(SYS_recvfrom, fd, (long)to, (long)length, flags, 0, 0);
}

/* With MSG_NOSIGNAL, as sys_send */
static inline long sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return syscall3(SYS_sendmsg, fd, (long)message, MSG_NOSIGNAL | flags);
}

static inline long sys_recvmsg(int fd, struct msghdr *message, int flags)
{
	return syscall3(SYS_recvmsg, fd, (long)message, flags);
}

/* The value of an option that is a number, or -1. */
static inline int socket_option(int fd, int option)
{
	i32 value = -1;
	u32 size = sizeof value;
	return sys_getsockopt(fd, option, &value, &size) < 0 ? -1 : value;
}

/* The uid of the process at the other end of a Unix socket, as the kernel knows it; -1 if the kernel does not say. */
static inline u32 peer_uid(int fd)
{
	struct ucred peer;
	u32 size = sizeof peer;
	return sys_getsockopt(fd, SO_PEERCRED, &peer, &size) < 0 ? ~0u : peer.uid;
}

/* ---- Waiting ---- */

/* Without a timeout it waits forever. The kernel subtracts from it the time that has passed. */
static inline long sys_ppoll(struct pollfd *fds, u64 count, struct timespec *timeout, const u64 *sigmask)
{
	return syscall5(SYS_ppoll, (long)fds, (long)count, (long)timeout, (long)sigmask, sizeof *sigmask);
}

static inline int sys_epoll_create1(int flags)
{
	return (int)syscall1(SYS_epoll_create1, flags);
}

static inline int sys_epoll_ctl(int epoll, int operation, int fd, const struct epoll_event *event)
{
	return (int)syscall4(SYS_epoll_ctl, epoll, operation, fd, (long)event);
}

/* epoll_wait(2) that does not wait */
static inline long sys_epoll_take(int epoll, void *events, int count)
{
	return syscall6(SYS_epoll_pwait, epoll, (long)events, count, 0, 0, sizeof(u64));
}

static inline int sys_clock_gettime(int clock, struct timespec *time)
{
	return (int)syscall2(SYS_clock_gettime, clock, (long)time);
}

/* Whether poll(2) reports something of a descriptor now: one of these events, a hang-up, or an error. */
static inline int has_event(int fd, short events)
{
	struct pollfd poll = {fd, events, 0};
	struct timespec now = {0, 0};
	return sys_ppoll(&poll, 1, &now, 0) == 1;
}

/* Sleeps until a socket has something to read, or has ended. A process that sleeps in recvmsg(2) or read(2) of a
 * Unix socket would be woken without need whenever the peer has read something: the kernel tells all sleepers that
 * there is room again. A process that sleeps in poll(2) has said what it waits for. */
static inline void wait_for_input(int fd)
{
	struct pollfd poll = {fd, POLLIN, 0};
	sys_ppoll(&poll, 1, 0, 0);
}

/* ---- Memory ---- */

static inline long sys_mmap(u64 size, int protection, int flags, int fd)
{
	return syscall6(SYS_mmap, 0, (long)size, protection, flags, fd, 0);
}

static inline int sys_munmap(void *start, u64 size)
{
	return (int)syscall2(SYS_munmap, (long)start, (long)size);
}

static inline long sys_process_vm_readv(int pid, const struct iovec *to, const struct iovec *from)
{
	return syscall6(SYS_process_vm_readv, pid, (long)to, 1, (long)from, 1, 0);
}

/* ---- Processes ---- */

static inline int sys_getpid(void)
{
	return (int)syscall0(SYS_getpid);
}

static inline int sys_getppid(void)
{
	return (int)syscall0(SYS_getppid);
}

static inline u32 sys_getuid(void)
{
	return (u32)syscall0(SYS_getuid);
}

static inline u32 sys_geteuid(void)
{
	return (u32)syscall0(SYS_geteuid);
}

static inline u32 sys_getgid(void)
{
	return (u32)syscall0(SYS_getgid);
}

static inline u32 sys_getegid(void)
{
	return (u32)syscall0(SYS_getegid);
}

static inline int sys_setsid(void)
{
	return (int)syscall0(SYS_setsid);
}

static inline int sys_getsid(void)
{
	return (int)syscall1(SYS_getsid, 0);
}

/* fork(2), with SIGCHLD at the end of the child */
static inline int sys_fork(void)
{
	return (int)syscall5(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static inline int sys_execve(const char *path, char **argv, char **environment)
{
	return (int)syscall3(SYS_execve, (long)path, (long)argv, (long)environment);
}

static inline int sys_unshare(long flags)
{
	return (int)syscall1(SYS_unshare, flags);
}

static inline int sys_wait4(int pid, int options)
{
	return (int)syscall4(SYS_wait4, pid, 0, options, 0);
}

static inline int sys_waitid(int type, int id, void *info, int options)
{
	return (int)syscall5(SYS_waitid, type, id, (long)info, options, 0);
}

static inline int sys_kill(int pid, int signal)
{
	return (int)syscall2(SYS_kill, pid, signal);
}

static inline int sys_pidfd_open(int pid)
{
	return (int)syscall2(SYS_pidfd_open, pid, 0);
}

static inline int sys_pidfd_getfd(int pidfd, int fd)
{
	return (int)syscall3(SYS_pidfd_getfd, pidfd, fd, 0);
}

static inline int sys_prctl(int option, long argument)
{
	return (int)syscall5(SYS_prctl, option, argument, 0, 0, 0);
}

static inline int sys_getrlimit(int resource, struct rlimit *limit)
{
	return (int)syscall4(SYS_prlimit64, 0, resource, 0, (long)limit);
}

static inline int sys_setrlimit(int resource, const struct rlimit *limit)
{
	return (int)syscall4(SYS_prlimit64, 0, resource, (long)limit, 0);
}

/* Returns the size of the mask in bytes. */
static inline long sys_sched_getaffinity(u64 *mask, u64 size)
{
	return syscall3(SYS_sched_getaffinity, 0, (long)size, (long)mask);
}

static inline int sys_sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
	return (int)syscall4(SYS_rt_sigaction, signal, (long)action, (long)old, sizeof(u64));
}

static inline int sys_sigprocmask(int how, const u64 *mask, u64 *old)
{
	return (int)syscall4(SYS_rt_sigprocmask, how, (long)mask, (long)old, sizeof(u64));
}

/* Gives a signal a disposition: SIG_DFL or SIG_IGN. */
static inline void set_disposition(int signal, u64 disposition)
{
	struct sigaction action = {.action.disposition = disposition};
	sys_sigaction(signal, &action, 0);
}

__attribute__((noreturn)) static inline void sys_exit_group(int status)
{
	syscall1(SYS_exit_group, status);
	__builtin_unreachable();
}

#endif
