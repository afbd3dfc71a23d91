/* Whether a call would block. It is asked before each call on a descriptor of this process that may block, because
 * that would stop JavaScript. */
#include "readiness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum readiness {
	WAITS, /* there is nothing to read, or no room to write */
	READY, /* a call of any size returns at once, with a result or an error */
	PART,  /* a write of PIPE_BUF bytes to a stream returns at once, and a longer one may block */
};

/* Whether a call returns at once although the descriptor is not ready: the descriptor is non-blocking, or not open for
 * this direction, or not open at all. */
static int is_prompt(int fd, int events)
{
	int flags = fcntl(fd, F_GETFL);
	int access = flags & O_ACCMODE;
	return flags < 0 || flags & (O_NONBLOCK | O_PATH) || access == (events & POLLOUT ? O_RDONLY : O_WRONLY);
}

/* Whether a write to the file may write a part and then block until there is room for the rest. */
static int is_stream(int fd)
{
	/* glibc has a function fstat from 2.33 on only. The kernel fills in the same struct. */
	struct stat status;
	int type;
	socklen_t size = sizeof type;
	if (syscall(SYS_fstat, fd, &status) < 0)
		return 0;
	if (S_ISSOCK(status.st_mode))
		return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
	return S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
}

static enum readiness readiness_of(int fd, int events)
{
	struct pollfd state = {.fd = fd, .events = (short)events};
	if (poll(&state, 1, 0) == 0)
		return is_prompt(fd, events) ? READY : WAITS;
	if (state.revents == POLLOUT && is_stream(fd) && !is_prompt(fd, events))
		return PART;
	return READY;
}

napi_value rsyscall_readiness(napi_env env, napi_callback_info info)
{
	napi_value argv[2], result = NULL;
	size_t argc = 2;
	int32_t fd, events;
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    napi_get_value_int32(env, argv[1], &events) != napi_ok) {
		napi_throw_type_error(env, NULL, "readiness takes a descriptor and events of poll(2)");
		return NULL;
	}
	napi_create_int32(env, (int32_t)readiness_of(fd, events), &result);
	return result;
}
