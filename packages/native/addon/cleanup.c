/* Closes the descriptors and ends the children of a worker that ends. In the process that remains, no program knows of
 * them: a stub would wait forever for its next call, and a child would stay a zombie. */
#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long the end of an environment waits for all of its children. They have got SIGKILL: a process that lives longer
 * sleeps in the kernel, on a disk or a network that does not answer. */
#define WAIT_LIMIT_MS 2000

/* Older C libraries have no names for these. The numbers are the same on all machines. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_fsmount
#define SYS_fsmount 432
#endif
#ifndef SYS_fspick
#define SYS_fspick 433
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
static const idtype_t BY_PIDFD = (idtype_t)3; /* P_PIDFD */

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether a pidfd is that of a child of this process that was not yet waited for. */
static int is_own_child(int pidfd)
{
	siginfo_t info;
	return waitid(BY_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void on_teardown(void *data)
{
	unsigned char *at_end = data;
	/* First send all signals, so that the children end at the same time. */
	for (int fd = 0; fd < RSYSCALL_CLEANUP_FDS; fd++)
		if (at_end[fd] & RSYSCALL_KILL &&
		    (!is_own_child(fd) || syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0))
			at_end[fd] = at_end[fd] & RSYSCALL_CLOSE;
	long deadline = now_ms() + WAIT_LIMIT_MS;
	for (int fd = 0; fd < RSYSCALL_CLEANUP_FDS; fd++) {
		if (at_end[fd] & RSYSCALL_KILL) {
			struct pollfd ended = {.fd = fd, .events = POLLIN};
			siginfo_t info;
			long left;
			while ((left = deadline - now_ms()) > 0 && poll(&ended, 1, (int)left) < 0 && errno == EINTR)
				;
			waitid(BY_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
		}
		if (at_end[fd] & RSYSCALL_CLOSE)
			close(fd);
	}
	munmap(at_end, RSYSCALL_CLEANUP_FDS);
}

static void mark(unsigned char *at_end, long fd, unsigned char what)
{
	if (fd >= 0 && fd < RSYSCALL_CLEANUP_FDS)
		at_end[fd] = what;
}

static void mark_received(unsigned char *at_end, struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		const int *fds = (const int *)CMSG_DATA(part);
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof *fds) <= part->cmsg_len; i++)
			mark(at_end, fds[i], RSYSCALL_CLOSE);
	}
}

void rsyscall_cleanup_note(unsigned char *at_end, const long word[7], long result)
{
	if (result < 0)
		return;
	switch (word[0]) {
	case SYS_close:
		mark(at_end, word[1], 0);
		break;
	case SYS_fcntl:
		if (word[2] != F_DUPFD && word[2] != F_DUPFD_CLOEXEC)
			break;
		__attribute__((fallthrough));
#ifdef SYS_open
	case SYS_open:
#endif
	case SYS_openat:
	case SYS_openat2:
	case SYS_dup:
	case SYS_socket:
	case SYS_accept:
	case SYS_accept4:
	case SYS_epoll_create1:
	case SYS_eventfd2:
	case SYS_inotify_init1:
	case SYS_memfd_create:
	case SYS_signalfd4:
	case SYS_timerfd_create:
	case SYS_open_tree:
	case SYS_fsopen:
	case SYS_fsmount:
	case SYS_fspick:
	case SYS_pidfd_open:
	case SYS_pidfd_getfd:
		mark(at_end, result, RSYSCALL_CLOSE);
		break;
	case SYS_pipe2:
		mark(at_end, ((const int *)word[1])[0], RSYSCALL_CLOSE);
		mark(at_end, ((const int *)word[1])[1], RSYSCALL_CLOSE);
		break;
	case SYS_socketpair:
		mark(at_end, ((const int *)word[4])[0], RSYSCALL_CLOSE);
		mark(at_end, ((const int *)word[4])[1], RSYSCALL_CLOSE);
		break;
	case SYS_recvmsg:
		mark_received(at_end, (struct msghdr *)word[2]);
		break;
	}
}

void rsyscall_cleanup_note_child(unsigned char *at_end, int pidfd)
{
	mark(at_end, pidfd, RSYSCALL_KILL | RSYSCALL_CLOSE);
}

unsigned char *rsyscall_cleanup_table(napi_env env)
{
	/* Pages that are not touched take no memory. */
	void *at_end = mmap(NULL, RSYSCALL_CLEANUP_FDS, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at_end == MAP_FAILED)
		return NULL;
	if (napi_add_env_cleanup_hook(env, on_teardown, at_end) != napi_ok) {
		munmap(at_end, RSYSCALL_CLEANUP_FDS);
		return NULL;
	}
	return at_end;
}
