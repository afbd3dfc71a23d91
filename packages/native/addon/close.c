/* The last close of a file may take its time: a TCP socket with SO_LINGER waits for its peer, memory is given
 * back page by page, and a Unix socket closes the descriptors that lie in it unread. All of these may be a
 * stranger's, who has passed them to us. So such a file is let go by a thread of its own. */
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

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* Blocks of 512 bytes that are given back within milliseconds: 16 MiB. */
enum { BLOCKS_AT_MOST = 32 * 1024 };

static bool may_take_long(int fd)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return false;
	if (S_ISREG(status.st_mode))
		return status.st_nlink == 0 && status.st_blocks > BLOCKS_AT_MOST;
	if (!S_ISSOCK(status.st_mode))
		return false;
	struct linger linger;
	socklen_t size = sizeof linger;
	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff)
		return true;
	/* Nobody may have passed descriptors to it. */
	int passes;
	size = sizeof passes;
	if (getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &passes, &size) == 0 && !passes)
		return false;
	/* A socket that listens has no such count. The connections that wait there have unread bytes of their own. */
	int unread;
	return ioctl(fd, FIONREAD, &unread) < 0 || unread > 0;
}

static void *let_go(void *fd)
{
	close((int)(intptr_t)fd);
	return NULL;
}

/* Whether a thread will close it. */
static bool close_elsewhere(int fd)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 64 * 1024);
	/* Signals are for the other threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, &attributes, let_go, (void *)(intptr_t)fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error == 0;
}

long rsyscall_close(int fd)
{
	/* With a second descriptor of the file this one is not its last. */
	int last = may_take_long(fd) ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	long result = syscall(SYS_close, fd) < 0 ? -errno : 0;
	if (last >= 0 && !close_elsewhere(last))
		close(last);
	return result;
}
