#include "sockets.h"
#include "channels.h"
#include "control.h"
#include "mapping.h"
#include "output.h"
#include "sys.h"
#include "watches.h"

/* The socket takes no more bytes. Those that it still gives are read before the channel closes. */
static void stop_writing(struct channel *channel)
{
	drop_unwritten(channel);
	channel->cannot_write = 1;
}

/* Ancillary data is rounded up to whole words: cmsg(3). */
static u64 round_up(u64 size)
{
	return (size + sizeof(u64) - 1) & ~(sizeof(u64) - 1);
}

/* Sends descriptors and a message. If the kernel refuses the descriptors, the message goes without them, because its
 * reader would wait for it forever. Returns 0 if the socket has no room. */
static int send_open(struct channel *channel, struct open *open)
{
	for (;;) {
		struct {
			struct cmsghdr header;
			i32 fds[FDS_AT_MOST];
		} rights = {{sizeof rights.header + open->count * sizeof rights.fds[0], SOL_SOCKET, SCM_RIGHTS}, {0}};
		for (u32 i = 0; i < open->count; i++)
			rights.fds[i] = open->fds[i];
		struct iovec part = {open->message, open->size};
		struct msghdr message = {0, 0, &part, 1, 0, 0, 0};
		if (open->count) {
			message.control = &rights;
			message.control_length = round_up(rights.header.length);
		}
		long sent = sys_sendmsg(channel->fd, &message, MSG_DONTWAIT);
		if (sent == -EAGAIN)
			return 0;
		if (sent == -EINTR)
			continue;
		if (open->count && (sent == -ETOOMANYREFS || sent == -ENOMEM || sent == -ENOBUFS || sent == -EINVAL)) {
			/* The channels' sockets see a hang-up. */
			close_fds(open);
			continue;
		}
		if (sent < 0) {
			stop_writing(channel);
		} else if ((u32)sent < open->size) {
			/* A small send buffer takes a part of the message, and the descriptors with it. */
			close_fds(open);
			open->size -= (u32)sent;
			copy_memory(open->message, open->message + sent, open->size);
			continue;
		}
		return 1;
	}
}

/* Sends bytes. Returns how many the socket has taken. */
static u32 send_bytes(struct channel *channel, const u8 *bytes, u32 length)
{
	u32 done = 0;
	while (done < length) {
		long sent = sys_send(channel->fd, bytes + done, length - done, MSG_DONTWAIT);
		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN)
			break;
		if (sent < 0) {
			stop_writing(channel);
			break;
		}
		done += (u32)sent;
	}
	return done;
}

void after_writing(struct mux *mux, struct channel *channel)
{
	if (!has_unwritten(channel)) {
		/* A channel without a number is kept only until its bytes are written. */
		if (!channel->is_known) {
			drop_channel(mux, channel);
			return;
		}
		if (channel->got_end && !channel->cannot_write)
			sys_shutdown(channel->fd, SHUT_WR);
	}
	queue_credit(mux, channel);
	if (!channel->cannot_write)
		update_watches(mux, channel);
	else if (channel->has_read_all)
		queue_close(mux, channel);
	else
		read_channel(mux, channel);
}

void write_channel(struct mux *mux, struct channel *channel)
{
	while (channel->opens && send_open(channel, channel->opens))
		if (channel->opens) /* otherwise send_open has dropped all */
			drop_first_open(channel);
	while (!channel->opens && channel->length) {
		u32 contiguous = WINDOW - channel->head;
		u32 length = channel->length < contiguous ? channel->length : contiguous;
		u32 sent = send_bytes(channel, channel->buffer + channel->head, length);
		if (channel->cannot_write)
			break;
		channel->head = (channel->head + sent) % WINDOW;
		channel->length -= sent;
		channel->forwarded += sent;
		if (sent < length)
			break;
	}
	after_writing(mux, channel);
}

/* Adds bytes to the buffer, which has room for them. */
static void buffer_bytes(struct channel *channel, const u8 *bytes, u32 length)
{
	if (!channel->length)
		channel->head = 0;
	while (length) {
		u32 at = (channel->head + channel->length) % WINDOW;
		u32 part = length < WINDOW - at ? length : WINDOW - at;
		copy_memory(channel->buffer + at, bytes, part);
		channel->length += part;
		bytes += part;
		length -= part;
	}
}

void take_data(struct mux *mux, struct channel *channel, const u8 *bytes, u32 length)
{
	if (!channel || channel->must_send_close || channel->cannot_write)
		return;
	u32 sent = has_unwritten(channel) ? 0 : send_bytes(channel, bytes, length);
	channel->forwarded += sent;
	if (!channel->cannot_write && sent < length) {
		if (!channel->buffer)
			channel->buffer = map(WINDOW);
		if (channel->buffer)
			buffer_bytes(channel, bytes + sent, length - sent);
		else
			stop_writing(channel);
	}
	after_writing(mux, channel);
}

/* Reads the socket of a channel, and puts what it gives into the output. */
static void receive(struct mux *mux, struct channel *channel, u32 length)
{
	long got;
	do
		got = sys_recv(channel->fd, next_payload(mux), length, MSG_DONTWAIT);
	while (got == -EINTR);
	if (got == -EAGAIN)
		return;
	if (got > 0) {
		put_frame(mux, channel->id, DATA, (u32)got);
		channel->credit -= (u32)got;
	} else if (got == 0 && !channel->cannot_write && (channel->got_end || !has_event(channel->fd, 0))) {
		channel->has_read_all = 1;
		queue_end(mux, channel);
	} else {
		queue_close(mux, channel);
	}
}

void read_channel(struct mux *mux, struct channel *channel)
{
	if (channel->must_send_close)
		return;
	if (channel->has_read_all) {
		/* Such a socket is watched for a hang-up only. */
		if (has_event(channel->fd, 0))
			queue_close(mux, channel);
		return;
	}
	u32 length = channel->credit < PAYLOAD_AT_MOST ? channel->credit : PAYLOAD_AT_MOST;
	if (length && output_room(mux) >= HEADER_SIZE + length)
		receive(mux, channel, length);
	/* The other end reads no more, and all that it had written is read. No event reports that. */
	if (channel->cannot_write && !has_event(channel->fd, POLLIN))
		queue_close(mux, channel);
	update_watches(mux, channel);
}
