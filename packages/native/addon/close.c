/* The last close of a file may block: a TCP socket with SO_LINGER waits for its peer, memory is freed page by page, and
 * a Unix socket closes the unread descriptors in its queue. An untrusted process may have passed such a file to this
 * one. So a thread closes it. */
#include "close.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Older C libraries have no name for it: Linux 6.16. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* Blocks of 512 bytes that are freed within milliseconds: 16 MiB. */
enum { BLOCKS_AT_MOST = 32 * 1024 };

static bool may_take_long(int fd)
{
	/* glibc has a function fstat from 2.33 on only. The kernel fills in the same struct. */
	struct stat status;
	if (syscall(SYS_fstat, fd, &status) < 0)
		return false;
	if (S_ISREG(status.st_mode))
		return status.st_nlink == 0 && status.st_blocks > BLOCKS_AT_MOST;
	if (!S_ISSOCK(status.st_mode))
		return false;
	struct linger linger;
	socklen_t size = sizeof linger;
	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff)
		return true;
	/* A listening socket has no such count, but connections in its queue may have unread bytes. */
	int unread;
	if (ioctl(fd, FIONREAD, &unread) == 0 && unread == 0)
		return false;
	/* No process could have passed descriptors to it. */
	int passes;
	size = sizeof passes;
	return getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &passes, &size) < 0 || passes;
}

static void *close_last(void *fd)
{
	close((int)(intptr_t)fd);
	return NULL;
}

#define STACK_SIZE (64 * 1024)

/* Has a thread close a descriptor. Returns false if there can be no thread. */
static bool close_in_thread(int fd)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	/* The handlers of signals must run in the other threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, &attributes, close_last, (void *)(intptr_t)fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error == 0;
}

long rsyscall_close(int fd)
{
	/* With a duplicate, this close is not the last one. */
	int last = may_take_long(fd) ? fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
	long result = syscall(SYS_close, fd) < 0 ? -errno : 0;
	if (last >= 0 && !close_in_thread(last))
		close(last);
	return result;
}
