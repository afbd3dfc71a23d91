#include "control.h"
#include "channels.h"

static void queue(struct mux *mux, struct channel *channel, int is_urgent)
{
	if (is_urgent)
		mux->only_credit = 0;
	if (channel->is_queued)
		return;
	channel->is_queued = 1;
	channel->next_in_queue = 0;
	if (mux->queue)
		mux->last_queued->next_in_queue = channel;
	else
		mux->queue = channel;
	mux->last_queued = channel;
}

void queue_close(struct mux *mux, struct channel *channel)
{
	close_socket(channel);
	channel->must_send_close = 1;
	queue(mux, channel, 1);
}

void queue_end(struct mux *mux, struct channel *channel)
{
	channel->must_send_end = 1;
	queue(mux, channel, 1);
}

void queue_credit(struct mux *mux, struct channel *channel)
{
	if (!channel->is_known || channel->must_send_close || channel->got_end || !channel->forwarded)
		return;
	if (channel->forwarded >= WINDOW / 4)
		queue(mux, channel, 1);
	else if (!has_unwritten(channel))
		queue(mux, channel, 0);
}
