/* What the kernel defines alike on every machine, and typed names for the calls that are used here.
 * Written out because nothing here may include a libc header. */
#ifndef RSYSCALL_KERNEL_H
#define RSYSCALL_KERNEL_H

#include "rsyscall/protocol.h"
#include "syscall.h"

#define AT_FDCWD -100
#define AT_EMPTY_PATH 0x1000
#define O_RDONLY 0
#define O_PATH 010000000
#define O_CLOEXEC 02000000
#define AF_UNIX 1
#define SOCK_STREAM 1
#define SOCK_CLOEXEC 02000000
#define SOCK_NONBLOCK 04000
#define SOL_SOCKET 1
#define SO_PEERCRED 17
#define SO_SNDTIMEO 21
#define SCM_RIGHTS 1
#define MSG_CTRUNC 0x8
#define MSG_DONTWAIT 0x40
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000
#define MSG_CMSG_CLOEXEC 0x40000000
#define F_SETFL 4
#define F_SETOWN 8
#define F_SETSIG 10
#define F_DUPFD_CLOEXEC 1030
#define F_ADD_SEALS 1033
#define F_SEAL_SHRINK 0x2
#define F_SEAL_GROW 0x4
#define MFD_CLOEXEC 0x1
#define MFD_ALLOW_SEALING 0x2
#define PROT_READ 0x1
#define PROT_WRITE 0x2
#define MAP_SHARED 0x1
#define MAP_NORESERVE 0x4000
#define RLIMIT_FSIZE 1
#define CLOCK_MONOTONIC 1
#define O_NONBLOCK 04000
#define O_ASYNC 020000
#define POLLIN 1
#define POLLOUT 4
#define POLLHUP 16
#define SA_SIGINFO 4
#define SA_RESTORER 0x04000000
#define SA_RESTART 0x10000000
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_IGN 1
#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define ECHILD 10
#define EAGAIN 11
#define EFAULT 14
#define ENOTDIR 20
#define EINVAL 22
#define EPIPE 32
#define ENAMETOOLONG 36
#define ENOSYS 38

struct iovec {
	const void *base;
	u64 length;
};

struct msghdr {
	void *name;
	u32 name_length;
	struct iovec *iov;
	u64 iov_length;
	void *control;
	u64 control_length;
	u32 flags;
};

struct cmsghdr {
	u64 length;
	i32 level;
	i32 type;
};

struct pollfd {
	i32 fd;
	short events;
	short revents;
};

struct timespec {
	i64 seconds;
	i64 nanoseconds;
};

struct timeval {
	i64 seconds;
	i64 microseconds;
};

struct sockaddr_un {
	u16 family;
	char path[108];
};

static inline long sys_read(int fd, void *to, u64 length)
{
	return syscall6(SYS_read, fd, (long)to, (long)length, 0, 0, 0);
}

static inline long sys_write(int fd, const void *from, u64 length)
{
	return syscall6(SYS_write, fd, (long)from, (long)length, 0, 0, 0);
}

/* send(2) to a peer that is gone: EPIPE, and no SIGPIPE that would end the process in our name. */
static inline long sys_send(int fd, const void *from, u64 length)
{
	return syscall6(SYS_sendto, fd, (long)from, (long)length, MSG_NOSIGNAL, 0, 0);
}

static inline long sys_recv(int fd, void *to, u64 length)
{
	return syscall6(SYS_recvfrom, fd, (long)to, (long)length, MSG_WAITALL, 0, 0);
}

/* The user at the other end of a Unix socket, by the kernel's word; -1 if it does not say. */
static inline u32 sys_peer_uid(int fd)
{
	struct {
		i32 pid;
		u32 uid, gid;
	} peer;
	u32 size = sizeof peer;
	if (syscall6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&size, 0) < 0)
		return ~0u;
	return peer.uid;
}

static inline long sys_close(int fd)
{
	return syscall6(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline long sys_openat(const char *path, int flags)
{
	return syscall6(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0, 0);
}

static inline long sys_fcntl(int fd, int command, long argument)
{
	return syscall6(SYS_fcntl, fd, command, argument, 0, 0, 0);
}

static inline long sys_ppoll(struct pollfd *fds, u64 count, const struct timespec *timeout)
{
	return syscall6(SYS_ppoll, (long)fds, (long)count, (long)timeout, 0, 0, 0);
}

/* Sleeps until a socket has something to read, or has ended. One that sleeps in recvmsg(2) or read(2)
 * of a Unix socket is woken, for nothing, whenever the other side has read what we have sent: the
 * kernel tells all sleepers that there is room again. One that sleeps in poll(2) says what it is for. */
static inline void sys_await_input(int fd)
{
	struct pollfd poll = {fd, POLLIN, 0};
	sys_ppoll(&poll, 1, 0);
}

#endif
