/* A worker that ends leaves its descriptors and children to the process, where no program knows of them: a
 * stub would wait for ever for its next call, and a child would stay a zombie. */
#include "belongings.h"

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

/* How long the end of an environment waits for its children, all together. They have SIGKILL: what
 * still lives then sleeps in the kernel, on a disk or a network that does not answer. */
#define PATIENCE_MS 2000

/* What C libraries of before 2022 have no names for. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
static const idtype_t BY_PIDFD = (idtype_t)3;

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the pidfd is of a child of this process that was not waited for. */
static int is_ours(int pidfd)
{
	siginfo_t info;
	return waitid(BY_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void on_teardown(void *data)
{
	unsigned char *at_end = data;
	/* All of them first: they end side by side. */
	for (int fd = 0; fd < RSYSCALL_BELONGINGS; fd++)
		if (at_end[fd] & RSYSCALL_KILL &&
		    (!is_ours(fd) || syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0))
			at_end[fd] &= ~RSYSCALL_KILL;
	long deadline = now_ms() + PATIENCE_MS;
	for (int fd = 0; fd < RSYSCALL_BELONGINGS; fd++) {
		if (at_end[fd] & RSYSCALL_KILL) {
			struct pollfd ended = {.fd = fd, .events = POLLIN};
			siginfo_t info;
			long left;
			while ((left = deadline - now_ms()) > 0 && poll(&ended, 1, left) < 0 && errno == EINTR)
				;
			waitid(BY_PIDFD, fd, &info, WEXITED | WNOHANG);
		}
		if (at_end[fd] & RSYSCALL_CLOSE)
			close(fd);
	}
	munmap(at_end, RSYSCALL_BELONGINGS);
}

static void mark(unsigned char *at_end, long fd, unsigned char what)
{
	if (fd >= 0 && fd < RSYSCALL_BELONGINGS)
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

void rsyscall_belongings_note(unsigned char *at_end, const long word[7], long result)
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
	case 437: /* openat2 */
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
	case 428: /* open_tree */
	case 430: /* fsopen */
	case 432: /* fsmount */
	case 433: /* fspick */
	case 434: /* pidfd_open */
	case 438: /* pidfd_getfd */
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

void rsyscall_belongings_note_child(unsigned char *at_end, int pidfd)
{
	mark(at_end, pidfd, RSYSCALL_KILL | RSYSCALL_CLOSE);
}

unsigned char *rsyscall_belongings(napi_env env)
{
	/* Pages that are never touched cost nothing. */
	void *at_end = mmap(NULL, RSYSCALL_BELONGINGS, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at_end == MAP_FAILED)
		return NULL;
	if (napi_add_env_cleanup_hook(env, on_teardown, at_end) != napi_ok) {
		munmap(at_end, RSYSCALL_BELONGINGS);
		return NULL;
	}
	return at_end;
}
