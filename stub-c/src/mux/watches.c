#include "watches.h"
#include "channels.h"
#include "control.h"
#include "end.h"
#include "sys.h"

static int make_epoll(void)
{
	int epoll = sys_epoll_create1(O_CLOEXEC);
	if (epoll < 0)
		fail_stream("cannot make an epoll instance", -epoll);
	return epoll;
}

void make_watches(struct mux *mux)
{
	mux->readers = make_epoll();
	mux->writers = make_epoll();
}

/* Adds a socket to an epoll instance, changes its events, or removes it. */
static int watch(struct mux *mux, int epoll, int operation, struct channel *channel, u32 events)
{
	struct epoll_event event = {.events = events};
	event.words[EPOLL_DATA] = (u32)(channel - mux->channels);
	return sys_epoll_ctl(epoll, operation, channel->fd, &event) >= 0;
}

void update_watches(struct mux *mux, struct channel *channel)
{
	int works = 1;
	if (channel->fd < 0)
		return;
	int reads = channel->is_known && (channel->has_read_all || channel->credit);
	u32 events = channel->has_read_all ? 0 : POLLIN;
	if (reads != channel->reader_is_on || (reads && events != channel->reader_events)) {
		int operation = !reads ? EPOLL_CTL_DEL : channel->reader_is_on ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
		works = watch(mux, mux->readers, operation, channel, events);
		channel->reader_is_on = (u8)reads;
		channel->reader_events = events;
	}
	int writes = has_unwritten(channel);
	if (works && writes != channel->writer_is_on) {
		works = watch(mux, mux->writers, writes ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, channel, POLLOUT);
		channel->writer_is_on = (u8)writes;
	}
	/* The kernel has no memory left, or refuses more watches. */
	if (works)
		return;
	if (channel->is_known)
		queue_close(mux, channel);
	else
		drop_channel(mux, channel);
}

void handle_ready(struct mux *mux, int epoll, int at_most, void (*handle)(struct mux *, struct channel *))
{
	struct epoll_event events[READY_AT_MOST];
	/* No more than will be handled: the next call then begins with the others. */
	long count = sys_epoll_take(epoll, events, at_most);
	for (long i = 0; i < count; i++)
		handle(mux, &mux->channels[events[i].words[EPOLL_DATA]]);
}
