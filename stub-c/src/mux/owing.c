#include "owing.h"
#include "channels.h"
#include "kernel.h"
#include "stream.h"
#include "watches.h"

static void owe(struct mux *mux, struct channel *channel, int is_urgent)
{
	if (is_urgent)
		mux->owes_only_credit = 0;
	if (channel->owes)
		return;
	channel->owes = 1;
	channel->next_owing = 0;
	if (mux->owing)
		mux->last_owing->next_owing = channel;
	else
		mux->owing = channel;
	mux->last_owing = channel;
}

void owe_close(struct mux *mux, struct channel *channel)
{
	close_socket(channel);
	channel->owes_close = 1;
	owe(mux, channel, 1);
}

void owe_end(struct mux *mux, struct channel *channel)
{
	channel->owes_end = 1;
	owe(mux, channel, 1);
}

void owe_credit(struct mux *mux, struct channel *channel)
{
	if (!channel->is_known || channel->owes_close || channel->got_end || !channel->written_on)
		return;
	if (channel->written_on >= WINDOW / 2)
		owe(mux, channel, 1);
	else if (!is_waiting(channel))
		owe(mux, channel, 0);
}

void say_what_is_owed(struct mux *mux)
{
	while (mux->owing) {
		struct channel *channel = mux->owing;
		if (room(mux) < 3 * HEADER_SIZE + sizeof channel->written_on)
			return;
		mux->owing = channel->next_owing;
		channel->owes = 0;
		if (channel->is_dropped) {
			drop_channel(mux, channel);
			continue;
		}
		if (channel->owes_close) {
			put_header(mux, channel->id, CLOSE, 0);
			drop_channel(mux, channel);
			continue;
		}
		if (channel->written_on && !channel->got_end) {
			put_header(mux, channel->id, CREDIT, sizeof channel->written_on);
			copy_memory(mux->output + mux->output_end, &channel->written_on, sizeof channel->written_on);
			mux->output_end += sizeof channel->written_on;
			channel->granted += channel->written_on;
			channel->written_on = 0;
		}
		if (channel->owes_end) {
			channel->owes_end = 0;
			channel->said_end = 1;
			put_header(mux, channel->id, END, 0);
		}
		/* What has ended both ways only has to be written on, and nobody hears of it any more: not of
		 * a hang-up either, as the number may soon be another's. */
		if (channel->said_end && channel->got_end) {
			forget_number(mux, channel);
			if (is_waiting(channel))
				update_watches(mux, channel);
			else
				drop_channel(mux, channel);
		}
	}
	mux->owes_only_credit = 1;
}
