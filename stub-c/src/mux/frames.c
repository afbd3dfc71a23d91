#include "frames.h"
#include "channels.h"
#include "control.h"
#include "end.h"
#include "mapping.h"
#include "sockets.h"
#include "sys.h"
#include "watches.h"

/* Makes socket pairs: one end of each is for a channel, the other is to be sent. Returns 0 and makes none if the
 * kernel refuses. */
static int make_pairs(u32 count, i32 *ours, i32 *theirs)
{
	for (u32 i = 0; i < count; i++) {
		i32 pair[2];
		if (sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, pair) < 0) {
			while (i--) {
				sys_close(ours[i]);
				sys_close(theirs[i]);
			}
			return 0;
		}
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	return 1;
}

static void take_open(struct mux *mux, struct channel *through, const u8 *payload, u32 size)
{
	i32 ours[FDS_AT_MOST];
	struct open_payload fixed;
	copy_memory(&fixed, payload, sizeof fixed);
	if (fixed.count > FDS_AT_MOST)
		fail_broken("too many channels at a time");
	if (fixed.count && fixed.first + (fixed.count - 1) < fixed.first)
		fail_broken("a channel number is too large");
	for (u32 i = 0; i < fixed.count; i++)
		if (find_channel(mux, fixed.first + i))
			fail_broken("a channel is opened twice");
	if (through && !through->must_send_close && (through->length || through->got_end))
		fail_broken("descriptors are to be sent behind data");

	int can_send = through && !through->must_send_close && !through->cannot_write;
	struct open *open = can_send ? map(sizeof *open) : 0;
	if (open) {
		open->size = size - (u32)sizeof fixed;
		copy_memory(open->message, payload + sizeof fixed, open->size);
		open->count = make_pairs(fixed.count, ours, open->fds) ? fixed.count : 0;
	} else if (can_send) {
		queue_close(mux, through);
	}
	for (u32 i = 0; i < fixed.count; i++) {
		struct channel *channel = add_channel(mux, fixed.first + i);
		if (open && open->count) {
			channel->fd = ours[i];
			update_watches(mux, channel);
		} else {
			queue_close(mux, channel);
		}
	}
	if (!open)
		return;
	if (through->open_count == OPENS_AT_MOST)
		fail_broken("too many messages with descriptors wait");
	through->open_count++;
	if (through->opens) {
		through->last_open->next = open;
		through->last_open = open;
		return;
	}
	through->opens = through->last_open = open;
	write_channel(mux, through);
}

static void take_credit(struct mux *mux, struct channel *channel, u32 credit)
{
	if (credit > WINDOW - channel->credit)
		fail_broken("more credit than a window");
	channel->credit += credit;
	if (channel->cannot_write)
		read_channel(mux, channel);
	else
		update_watches(mux, channel);
}

static void take_end(struct mux *mux, struct channel *channel)
{
	if (channel->got_end)
		fail_broken("a channel ends twice");
	channel->got_end = 1;
	/* END went both ways: the number is free. */
	if (channel->sent_end)
		forget_number(mux, channel);
	after_writing(mux, channel);
}

/* The near side closes a channel. The bytes that it has sent before are still written. */
static void take_close(struct mux *mux, struct channel *channel)
{
	struct channel *answer = channel;
	if (has_unwritten(channel)) {
		/* A process that writes to the other end gets EPIPE, and does not block instead of reading. */
		sys_shutdown(channel->fd, SHUT_RD);
		channel->got_end = 1;
		channel->must_send_end = 0;
		forget_number(mux, channel);
		answer = add_channel(mux, channel->id);
		update_watches(mux, channel);
	}
	queue_close(mux, answer);
}

/* Handles a frame other than DATA, all of whose bytes have arrived. */
static void take_frame(struct mux *mux, u32 id, u32 type, const u8 *payload, u32 size)
{
	struct channel *channel = find_channel(mux, id);
	u32 credit;
	if (type == OPEN) {
		take_open(mux, channel, payload, size);
		return;
	}
	/* Channel 0 ends with the handshake. */
	if (!channel && id == 0 && type == END)
		mux->is_left = 1;
	/* This frame and CLOSE have crossed. */
	if (!channel || channel->must_send_close)
		return;
	switch (type) {
	case END:
		take_end(mux, channel);
		return;
	case CREDIT:
		copy_memory(&credit, payload, sizeof credit);
		take_credit(mux, channel, credit);
		return;
	default:
		take_close(mux, channel);
	}
}

/* Whether a frame of this type may have a payload of this size. */
static int is_valid(u32 type, u32 size)
{
	switch (type) {
	case DATA:
		return size >= 1 && size <= PAYLOAD_AT_MOST;
	case END:
	case CLOSE:
		return size == 0;
	case CREDIT:
		return size == sizeof(u32);
	case OPEN:
		return size > sizeof(struct open_payload) && size <= sizeof(struct open_payload) + MESSAGE_AT_MOST;
	default:
		return 0;
	}
}

static void begin_data(struct mux *mux, u32 id, u32 size)
{
	struct channel *channel = find_channel(mux, id);
	mux->data_channel = id;
	mux->data_left = size;
	if (!channel || channel->must_send_close)
		return;
	if (channel->got_end)
		fail_broken("data after the end of a channel");
	if (size > channel->granted)
		fail_broken("more data than was granted");
	channel->granted -= size;
}

void take_input(struct mux *mux)
{
	for (;;) {
		const u8 *at = mux->input + mux->input_start;
		u32 have = mux->input_end - mux->input_start;
		if (mux->data_left) {
			u32 part = have < mux->data_left ? have : mux->data_left;
			if (!part)
				break;
			take_data(mux, find_channel(mux, mux->data_channel), at, part);
			mux->data_left -= part;
			mux->input_start += part;
			continue;
		}
		struct header header;
		if (have < sizeof header)
			break;
		copy_memory(&header, at, sizeof header);
		u32 type = header.word >> TYPE_SHIFT;
		u32 size = header.word & SIZE_MASK;
		if (!is_valid(type, size))
			fail_broken("unknown frame type or size");
		if (type == DATA) {
			mux->input_start += HEADER_SIZE;
			begin_data(mux, header.channel, size);
			continue;
		}
		if (have < HEADER_SIZE + size)
			break;
		take_frame(mux, header.channel, type, at + HEADER_SIZE, size);
		mux->input_start += HEADER_SIZE + size;
	}
	u32 rest = mux->input_end - mux->input_start;
	if (mux->input_start)
		copy_memory(mux->input, mux->input + mux->input_start, rest);
	mux->input_start = 0;
	mux->input_end = rest;
}
