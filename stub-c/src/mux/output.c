#include "output.h"
#include "end.h"
#include "sys.h"

void put_frame(struct mux *mux, u32 id, enum frame_type type, u32 size)
{
	struct header header = {id, (u32)type << TYPE_SHIFT | size};
	copy_memory(mux->output + mux->output_end, &header, sizeof header);
	mux->output_end += HEADER_SIZE + size;
}

/* Writes without waiting, whether stdout is a socket, a pipe or a file. */
static long write_now(struct mux *mux, const u8 *bytes, u64 length)
{
	long sent;
	if (mux->stdout_is_socket) {
		sent = sys_send(STDOUT, bytes, length, MSG_DONTWAIT);
		if (sent != -ENOTSOCK)
			return sent;
		mux->stdout_is_socket = 0;
	}
	if (mux->stdout_may_nowait) {
		struct iovec part = {bytes, length};
		sent = sys_writev2(STDOUT, &part, 1, RWF_NOWAIT);
		if (sent == -EOPNOTSUPP || sent == -EINVAL || sent == -ENOSYS || sent == -EPERM)
			mux->stdout_may_nowait = 0;
		else if (sent != -EAGAIN)
			return sent;
		/* EAGAIN may also come from a file that poll calls writable. Then the next lines write to it. */
	}
	if (!has_event(STDOUT, POLLOUT))
		return -EAGAIN;
	return sys_write(STDOUT, bytes, length < PIPE_BUF ? length : PIPE_BUF);
}

void write_stdout(struct mux *mux)
{
	while (mux->output_start < mux->output_end) {
		long sent = write_now(mux, mux->output + mux->output_start, mux->output_end - mux->output_start);
		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN)
			return;
		/* stdout has no reader any more. */
		if (sent == -EPIPE || sent == -ECONNRESET)
			end_stream(mux);
		if (sent < 0)
			fail_stream("cannot write to stdout", -sent);
		mux->output_start += (u32)sent;
	}
	mux->output_start = mux->output_end = 0;
}
