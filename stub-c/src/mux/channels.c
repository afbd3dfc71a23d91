#include "channels.h"
#include "end.h"
#include "mapping.h"

static struct channel **bucket_of(struct mux *mux, u32 id)
{
	return &mux->buckets[id % BUCKETS];
}

struct channel *find_channel(struct mux *mux, u32 id)
{
	struct channel *channel = *bucket_of(mux, id);
	while (channel && channel->id != id)
		channel = channel->next_in_bucket;
	return channel;
}

struct channel *add_channel(struct mux *mux, u32 id)
{
	struct channel *channel = mux->free;
	if (channel)
		mux->free = channel->next_in_bucket;
	else if (mux->touched < CHANNELS)
		channel = &mux->channels[mux->touched++];
	else
		fail_broken("too many channels");
	struct channel **bucket = bucket_of(mux, id);
	*channel = (struct channel){
		.id = id, .fd = -1, .next_in_bucket = *bucket, .is_known = 1, .credit = WINDOW, .granted = WINDOW};
	*bucket = channel;
	mux->channel_count++;
	return channel;
}

void forget_number(struct mux *mux, struct channel *channel)
{
	if (!channel->is_known)
		return;
	struct channel **at = bucket_of(mux, channel->id);
	while (*at != channel)
		at = &(*at)->next_in_bucket;
	*at = channel->next_in_bucket;
	channel->is_known = 0;
}

void close_fds(struct open *open)
{
	for (u32 i = 0; i < open->count; i++)
		sys_close(open->fds[i]);
	open->count = 0;
}

void drop_first_open(struct channel *channel)
{
	struct open *open = channel->opens;
	close_fds(open);
	channel->opens = open->next;
	channel->open_count--;
	unmap(open, sizeof *open);
}

void drop_unwritten(struct channel *channel)
{
	while (channel->opens)
		drop_first_open(channel);
	channel->length = 0;
}

void close_socket(struct channel *channel)
{
	drop_unwritten(channel);
	if (channel->buffer)
		unmap(channel->buffer, WINDOW);
	channel->buffer = 0;
	if (channel->fd >= 0)
		sys_close(channel->fd);
	channel->fd = -1;
	channel->reader_is_on = channel->writer_is_on = 0;
}

void drop_channel(struct mux *mux, struct channel *channel)
{
	forget_number(mux, channel);
	close_socket(channel);
	channel->is_dropped = 1;
	if (channel->is_queued)
		return;
	channel->next_in_bucket = mux->free;
	mux->free = channel;
	mux->channel_count--;
}
