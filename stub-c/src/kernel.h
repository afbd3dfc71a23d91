/* Constants and structures of the kernel that are the same on every machine, each under the name that its man page
 * gives it. They are written out here because freestanding code may include no header of a C library. What differs
 * between machines is in arch/NAME/syscall.h. The calls themselves are in sys.h. */
#ifndef RSYSCALL_KERNEL_H
#define RSYSCALL_KERNEL_H

#include "rsyscall/protocol.h"
#include "syscall.h"

/* errno(3) */
#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define EIO 5
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define ECHILD 10
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define ENOTDIR 20
#define EINVAL 22
#define EMFILE 24
#define EFBIG 27
#define ENOSPC 28
#define EPIPE 32
#define ENAMETOOLONG 36
#define ENOSYS 38
#define ELOOP 40
#define ENOTSOCK 88
#define EOPNOTSUPP 95
#define ECONNRESET 104
#define ENOBUFS 105
#define ETOOMANYREFS 109
#define ECONNREFUSED 111

/* Results from -MAX_ERRNO to -1 are errors. Any other negative one is an address. */
#define MAX_ERRNO 4095

static inline int is_error(long result)
{
	return result < 0 && result >= -MAX_ERRNO;
}

/* getauxval(3) */
#define AT_NULL 0
#define AT_PAGESZ 6
#define AT_SECURE 23
#define AT_EXECFN 31

/* Numbers of standard descriptors: stdin(3) */
#define STDIN 0
#define STDOUT 1
#define STDERR 2

/* open(2) */
#define AT_FDCWD -100
#define O_RDONLY 0
#define O_WRONLY 1
#define O_NONBLOCK 04000
#define O_ASYNC 020000
#define O_CLOEXEC 02000000
#define O_PATH 010000000
#define PATH_MAX 4096

/* fcntl(2) */
#define F_GETFD 1
#define F_SETFL 4
#define F_SETOWN 8
#define F_SETSIG 10
#define F_DUPFD_CLOEXEC 1030
#define F_ADD_SEALS 1033
#define F_SEAL_SHRINK 0x2
#define F_SEAL_GROW 0x4

/* inode(7) */
#define S_ISUID 04000
#define S_ISGID 02000

/* statx(2) */
#define STATX_MODE 0x2

/* memfd_create(2) */
#define MFD_CLOEXEC 0x1
#define MFD_ALLOW_SEALING 0x2

/* mmap(2) */
#define PROT_READ 0x1
#define PROT_WRITE 0x2
#define MAP_SHARED 0x1
#define MAP_PRIVATE 0x2
#define MAP_ANONYMOUS 0x20
#define MAP_NORESERVE 0x4000

/* getrlimit(2) */
#define RLIMIT_FSIZE 1
#define RLIMIT_NOFILE 7

/* socket(2), unix(7), socket(7) */
#define AF_UNIX 1
#define SOCK_STREAM 1
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000
#define SOL_SOCKET 1
#define SO_TYPE 3
#define SO_PEERCRED 17
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21
#define SO_ACCEPTCONN 30
#define SO_DOMAIN 39
#define SCM_RIGHTS 1
#define SHUT_RD 0
#define SHUT_WR 1
#define SUN_PATH_SIZE 108

/* send(2), recv(2) */
#define MSG_CTRUNC 0x8
#define MSG_DONTWAIT 0x40
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000
#define MSG_CMSG_CLOEXEC 0x40000000

/* pwritev2(2) */
#define RWF_NOWAIT 0x8

/* pipe(7): a pipe that poll(2) calls writable has room for this many bytes. */
#define PIPE_BUF 4096

/* poll(2) */
#define POLLIN 1
#define POLLOUT 4
#define POLLERR 8
#define POLLHUP 16
#define POLLNVAL 32

/* epoll_ctl(2) */
#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3

/* ioctl_tty(2), and FIONREAD of unix(7) and pipe(7) */
#define TCGETS 0x5401
#define FIONREAD 0x541b
#define TERMIOS_SIZE 256 /* more than any machine has */

/* signal(7), sigaction(2), sigprocmask(2) */
#define SIGNALS 64
#define SIGKILL 9
#define SIGPIPE 13
#define SIGCHLD 17
#define SIGIO 29
#define SIGRTMAX 64
#define SIG_DFL 0
#define SIG_IGN 1
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SA_SIGINFO 4
#define SA_RESTORER 0x04000000
#define SA_RESTART 0x10000000
#define SIGSET_ALL (~0ul)

static inline u64 sigmask_of(int signal)
{
	return 1ul << (signal - 1);
}

/* clone(2) */
#define CSIGNAL 0xff
#define CLONE_VM 0x100
#define CLONE_CLEAR_SIGHAND 0x100000000ull

/* wait4(2), waitid(2) */
#define P_ALL 0
#define WNOHANG 1
#define WEXITED 4
#define WNOWAIT 0x01000000
#define WALL 0x40000000
#define SIGINFO_SIZE 128

/* prctl(2) */
#define PR_SET_PDEATHSIG 1
#define PR_SET_NAME 15
#define PR_SET_CHILD_SUBREAPER 36

/* clock_gettime(2) */
#define CLOCK_MONOTONIC 1
#define NANOSECONDS 1000000000l /* in a second */

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

struct ucred {
	i32 pid;
	u32 uid, gid;
};

struct sockaddr_un {
	u16 family;
	char path[SUN_PATH_SIZE];
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

struct rlimit {
	u64 current;
	u64 maximum;
};

/* A handler as SA_SIGINFO has it. */
typedef void signal_handler(int signal, void *info, void *context);

/* As rt_sigaction(2) takes it: not the structure of the C library. */
struct sigaction {
	union {
		u64 disposition; /* SIG_DFL, SIG_IGN, or an address */
		signal_handler *handler;
	} action;
	u64 flags;
	void (*restorer)(void);
	u64 mask;
};

/* struct linux_dirent64 of getdents64(2) */
struct dirent {
	u64 inode;
	i64 offset;
	u16 length;
	u8 type;
	char name[];
};

/* The beginning of struct stat, which is the same on every 64-bit machine. */
struct stat {
	u64 device;
	u64 inode;
	u64 others[4]; /* mode, links, ids, device: in another order on each machine */
	u64 size;
	u64 more[25]; /* at least as much as any machine has */
};

struct statx {
	u32 mask, block_size;
	u64 attributes;
	u32 links, uid, gid;
	u16 mode, unused;
	u64 others[28];
};

/* Packed on some machines: the words behind the events end with the 8 bytes that are the program's. */
#define EPOLL_WORDS ((EPOLL_EVENT_SIZE - 4) / 4)
#define EPOLL_DATA (EPOLL_WORDS - 2)

struct epoll_event {
	u32 events;
	u32 words[EPOLL_WORDS];
};

_Static_assert(sizeof(struct statx) == 256, "statx");
_Static_assert(sizeof(struct epoll_event) == EPOLL_EVENT_SIZE, "epoll_event");

#endif
