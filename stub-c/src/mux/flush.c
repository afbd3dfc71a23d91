#include "flush.h"
#include "channels.h"
#include "output.h"
#include "sys.h"
#include "watches.h"

/* The largest that one channel can need: CREDIT and END. */
#define FRAMES_SIZE (2 * HEADER_SIZE + sizeof(u32))

static void put_credit(struct mux *mux, struct channel *channel)
{
	copy_memory(next_payload(mux), &channel->forwarded, sizeof channel->forwarded);
	put_frame(mux, channel->id, CREDIT, sizeof channel->forwarded);
	channel->granted += channel->forwarded;
	channel->forwarded = 0;
}

static void put_frames(struct mux *mux, struct channel *channel)
{
	if (channel->is_dropped) {
		drop_channel(mux, channel);
		return;
	}
	if (channel->must_send_close) {
		put_frame(mux, channel->id, CLOSE, 0);
		drop_channel(mux, channel);
		return;
	}
	if (channel->forwarded && !channel->got_end)
		put_credit(mux, channel);
	if (channel->must_send_end) {
		channel->must_send_end = 0;
		channel->sent_end = 1;
		put_frame(mux, channel->id, END, 0);
	}
	/* After END both ways no frame may be sent, not even for a hang-up: the number may soon be another channel's. */
	if (channel->sent_end && channel->got_end) {
		forget_number(mux, channel);
		if (has_unwritten(channel))
			update_watches(mux, channel);
		else
			drop_channel(mux, channel);
	}
}

void flush_queue(struct mux *mux)
{
	while (mux->queue) {
		struct channel *channel = mux->queue;
		if (output_room(mux) < FRAMES_SIZE)
			return;
		mux->queue = channel->next_in_queue;
		channel->is_queued = 0;
		put_frames(mux, channel);
	}
	mux->only_credit = 1;
}
