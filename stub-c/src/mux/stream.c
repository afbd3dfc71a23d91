#include "stream.h"
#include "children.h"
#include "ending.h"
#include "frames.h"
#include "kernel.h"

#define RWF_NOWAIT 0x8
#define ENOTSOCK 88
#define EOPNOTSUPP 95
#define ECONNRESET 104

void end_stream(int status)
{
	end_children();
	/* Sockets close with us, and whoever is at their other ends takes note. */
	syscall6(SYS_exit_group, status, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

void fail_stream(const char *what, const char *subject, long error)
{
	end_children();
	fail_with(1, what, subject, error);
}

void broken(const char *why)
{
	fail_stream("the stream is broken:", why, 0);
}

void put_header(struct mux *mux, u32 id, enum frame_type type, u32 size)
{
	struct header header = {id, (u32)type << 24 | size};
	copy_memory(mux->output + mux->output_end, &header, sizeof header);
	mux->output_end += sizeof header;
}

void read_stdin(struct mux *mux)
{
	long got = sys_read(0, mux->input + mux->input_end, sizeof mux->input - mux->input_end);
	if (got == -EINTR || got == -EAGAIN)
		return;
	if (got < 0 && got != -ECONNRESET)
		fail_stream("cannot read stdin", 0, -got);
	if (got <= 0) {
		if (mux->input_end || mux->data_left)
			broken("it ends in the middle of a frame");
		end_stream(0);
	}
	mux->input_end += (u32)got;
	take_input(mux);
}

/* Writes without waiting, whatever stdout is. */
static long write_now(struct mux *mux, const u8 *bytes, u64 length)
{
	long sent;
	if (mux->stdout_is_socket) {
		sent = syscall6(SYS_sendto, 1, (long)bytes, (long)length, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		if (sent != -ENOTSOCK)
			return sent;
		mux->stdout_is_socket = 0;
	}
	if (mux->stdout_may_nowait) {
		struct iovec part = {bytes, length};
		sent = syscall6(SYS_pwritev2, 1, (long)&part, 1, -1, -1, RWF_NOWAIT);
		if (sent == -EOPNOTSUPP || sent == -EINVAL || sent == -ENOSYS || sent == -EPERM)
			mux->stdout_may_nowait = 0;
		else if (sent != -EAGAIN)
			return sent;
		/* Files that never make a poll wait may say that too, and mean it. */
	}
	/* A pipe that can be written to has room for this many bytes: pipe(7), PIPE_BUF. */
	struct pollfd poll = {1, POLLOUT, 0};
	struct timespec now = {0, 0};
	if (sys_ppoll(&poll, 1, &now) != 1)
		return -EAGAIN;
	return sys_write(1, bytes, length < 4096 ? length : 4096);
}

void write_stdout(struct mux *mux)
{
	while (mux->output_start < mux->output_end) {
		long sent = write_now(mux, mux->output + mux->output_start, mux->output_end - mux->output_start);
		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN)
			return;
		/* Nobody reads any more. */
		if (sent == -EPIPE || sent == -ECONNRESET)
			end_stream(0);
		if (sent < 0)
			fail_stream("cannot write to stdout", 0, -sent);
		mux->output_start += (u32)sent;
	}
	mux->output_start = mux->output_end = 0;
}
