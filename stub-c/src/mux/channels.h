/* The table of channels: their numbers, their sockets and what waits for these. */
#ifndef RSYSCALL_MUX_CHANNELS_H
#define RSYSCALL_MUX_CHANNELS_H

#include "state.h"

/* The channel that has this number now, or 0. */
struct channel *find(struct mux *mux, u32 id);

/* Adds a channel without a socket. */
struct channel *add_channel(struct mux *mux, u32 id);

/* From now on the number is another's. What waits to be written on still is. */
void forget_number(struct mux *mux, struct channel *channel);

/* Whether something is to be written on. */
static inline int is_waiting(const struct channel *channel)
{
	return channel->opens || channel->length;
}

void close_fds(struct open *open);
void drop_first_open(struct channel *channel);
void drop_waiting(struct channel *channel);

/* Closes the socket, which leaves both epoll instances by that. */
void close_socket(struct channel *channel);

/* Ends a channel of which nothing more is to be said. */
void drop_channel(struct mux *mux, struct channel *channel);

#endif
