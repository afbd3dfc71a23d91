#include "watches.h"
#include "channels.h"
#include "kernel.h"
#include "owing.h"
#include "stream.h"

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3

/* Packed on some machines: the words behind the events hold 8 bytes that are ours. */
#define EPOLL_WORDS ((EPOLL_EVENT_SIZE - 4) / 4)
#define EPOLL_DATA (EPOLL_WORDS - 2)

struct epoll_event {
	u32 events;
	u32 words[EPOLL_WORDS];
};

_Static_assert(sizeof(struct epoll_event) == EPOLL_EVENT_SIZE, "epoll_event");

static int make_epoll(void)
{
	long epoll = syscall6(SYS_epoll_create1, O_CLOEXEC, 0, 0, 0, 0, 0);
	if (epoll < 0)
		fail_stream("cannot make an epoll instance", 0, -epoll);
	return (int)epoll;
}

void make_watches(struct mux *mux)
{
	mux->readers = make_epoll();
	mux->writers = make_epoll();
}

/* Registers a socket with an epoll instance, or changes what it is registered for. */
static int watch(struct mux *mux, int epoll, int operation, struct channel *channel, u32 events)
{
	struct epoll_event event = {.events = events};
	event.words[EPOLL_DATA] = (u32)(channel - mux->channels);
	return syscall6(SYS_epoll_ctl, epoll, operation, channel->fd, (long)&event, 0, 0) >= 0;
}

void update_watches(struct mux *mux, struct channel *channel)
{
	int works = 1;
	if (channel->fd < 0)
		return;
	int reads = channel->is_known && (channel->has_read_all || channel->credit);
	u32 events = channel->has_read_all ? 0 : POLLIN;
	if (reads != channel->reader_is_on || (reads && events != channel->reader_events)) {
		int operation = !reads                   ? EPOLL_CTL_DEL
				: channel->reader_is_on ? EPOLL_CTL_MOD
							 : EPOLL_CTL_ADD;
		works = watch(mux, mux->readers, operation, channel, events);
		channel->reader_is_on = (u8)reads;
		channel->reader_events = events;
	}
	int writes = is_waiting(channel);
	if (works && writes != channel->writer_is_on) {
		works = watch(mux, mux->writers, writes ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, channel, POLLOUT);
		channel->writer_is_on = (u8)writes;
	}
	/* Out of memory, or of watches. */
	if (works)
		return;
	if (channel->is_known)
		owe_close(mux, channel);
	else
		drop_channel(mux, channel);
}

void handle_ready(struct mux *mux, int epoll, int at_most, void (*handle)(struct mux *, struct channel *))
{
	struct epoll_event events[64];
	/* No more than will get a turn: the kernel then begins with the others the next time. */
	/* A handler closes no channel but its own, so none of the others has become another's. */
	long count = syscall6(SYS_epoll_pwait, epoll, (long)events, at_most, 0, 0, 8);
	for (long i = 0; i < count; i++)
		handle(mux, &mux->channels[events[i].words[EPOLL_DATA]]);
}
