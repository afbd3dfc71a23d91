#include "sockets.h"
#include "channels.h"
#include "kernel.h"
#include "mapping.h"
#include "owing.h"
#include "stream.h"
#include "watches.h"

#define SHUT_WR 1
#define ENOMEM 12
#define ENOBUFS 105
#define ETOOMANYREFS 109

/* The socket takes nothing more. What it still has for us is read first. */
static void stop_writing(struct channel *channel)
{
	drop_waiting(channel);
	channel->cannot_write = 1;
}

/* Sends descriptors and a message. Where the descriptors cannot be had, the message goes alone, so that
 * who waits for it need not wait for ever. Returns 0 when there is no room. */
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
			message.control_length = (rights.header.length + 7) & ~7ul;
		}
		long sent = syscall6(SYS_sendmsg, channel->fd, (long)&message, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0, 0);
		if (sent == -EAGAIN)
			return 0;
		if (sent == -EINTR)
			continue;
		if (open->count && (sent == -ETOOMANYREFS || sent == -ENOMEM || sent == -ENOBUFS || sent == -EINVAL)) {
			/* Our ends see a hang-up. */
			close_fds(open);
			continue;
		}
		if (sent < 0) {
			stop_writing(channel);
		} else if ((u32)sent < open->size) {
			/* A small send buffer takes a part, and the descriptors with it. */
			close_fds(open);
			open->size -= (u32)sent;
			copy_memory(open->message, open->message + sent, open->size);
			continue;
		}
		return 1;
	}
}

/* Sends bytes, and returns how many the socket has taken. */
static u32 send_bytes(struct channel *channel, const u8 *bytes, u32 length)
{
	u32 done = 0;
	while (done < length) {
		long sent = syscall6(SYS_sendto, channel->fd, (long)(bytes + done), length - done,
				     MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
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
	if (!is_waiting(channel)) {
		/* Nobody reads it and nobody waits for it: this was all that it was kept for. */
		if (!channel->is_known) {
			drop_channel(mux, channel);
			return;
		}
		if (channel->got_end && !channel->cannot_write)
			syscall6(SYS_shutdown, channel->fd, SHUT_WR, 0, 0, 0, 0);
	}
	owe_credit(mux, channel);
	if (!channel->cannot_write)
		update_watches(mux, channel);
	else if (channel->has_read_all)
		owe_close(mux, channel);
	else
		read_channel(mux, channel);
}

void write_channel(struct mux *mux, struct channel *channel)
{
	while (channel->opens && send_open(channel, channel->opens))
		if (channel->opens) /* else they were dropped */
			drop_first_open(channel);
	while (!channel->opens && channel->length) {
		u32 contiguous = WINDOW - channel->head;
		u32 length = channel->length < contiguous ? channel->length : contiguous;
		u32 sent = send_bytes(channel, channel->waiting + channel->head, length);
		if (channel->cannot_write)
			break;
		channel->head = (channel->head + sent) % WINDOW;
		channel->length -= sent;
		channel->written_on += sent;
		if (sent < length)
			break;
	}
	after_writing(mux, channel);
}

static void keep(struct channel *channel, const u8 *bytes, u32 length)
{
	if (!channel->length)
		channel->head = 0;
	while (length) {
		u32 at = (channel->head + channel->length) % WINDOW;
		u32 part = length < WINDOW - at ? length : WINDOW - at;
		copy_memory(channel->waiting + at, bytes, part);
		channel->length += part;
		bytes += part;
		length -= part;
	}
}

void take_data(struct mux *mux, struct channel *channel, const u8 *bytes, u32 length)
{
	if (!channel || channel->owes_close || channel->cannot_write)
		return;
	u32 sent = is_waiting(channel) ? 0 : send_bytes(channel, bytes, length);
	channel->written_on += sent;
	if (!channel->cannot_write && sent < length) {
		if (!channel->waiting)
			channel->waiting = map(WINDOW);
		if (channel->waiting)
			keep(channel, bytes + sent, length - sent);
		else
			stop_writing(channel);
	}
	after_writing(mux, channel);
}

/* Whether something is so of a socket now: a hang-up, or one of the events. */
static int shows(int fd, short events)
{
	struct pollfd poll = {fd, events, 0};
	struct timespec now = {0, 0};
	return sys_ppoll(&poll, 1, &now) == 1;
}

static void receive(struct mux *mux, struct channel *channel, u32 length)
{
	long got;
	do
		got = syscall6(SYS_recvfrom, channel->fd, (long)(mux->output + mux->output_end + HEADER_SIZE), length,
			       MSG_DONTWAIT, 0, 0);
	while (got == -EINTR);
	if (got == -EAGAIN)
		return;
	if (got > 0) {
		put_header(mux, channel->id, DATA, (u32)got);
		mux->output_end += (u32)got;
		channel->credit -= (u32)got;
	} else if (got == 0 && !channel->cannot_write && (channel->got_end || !shows(channel->fd, 0))) {
		channel->has_read_all = 1;
		owe_end(mux, channel);
	} else {
		owe_close(mux, channel);
	}
}

void read_channel(struct mux *mux, struct channel *channel)
{
	if (channel->owes_close)
		return;
	if (channel->has_read_all) {
		/* Nothing but a hang-up is watched for. */
		if (shows(channel->fd, 0))
			owe_close(mux, channel);
		return;
	}
	u32 length = channel->credit < PAYLOAD_AT_MOST ? channel->credit : PAYLOAD_AT_MOST;
	if (length && room(mux) >= HEADER_SIZE + length)
		receive(mux, channel, length);
	/* The other side reads no more, and has said all that it had to say by now. No event tells that. */
	if (channel->cannot_write && !shows(channel->fd, POLLIN))
		owe_close(mux, channel);
	update_watches(mux, channel);
}
