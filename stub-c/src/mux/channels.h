/* The table of channels: their numbers, their sockets and the bytes that wait for these. */
#ifndef RSYSCALL_MUX_CHANNELS_H
#define RSYSCALL_MUX_CHANNELS_H

#include "state.h"

/* The channel that has this number now, or 0. */
struct channel *find_channel(struct mux *mux, u32 id);

/* Adds a channel without a socket. */
struct channel *add_channel(struct mux *mux, u32 id);

/* Frees the number of a channel. Bytes that wait for its socket are still written. */
void forget_number(struct mux *mux, struct channel *channel);

/* Whether bytes or messages wait for the socket. */
static inline int has_unwritten(const struct channel *channel)
{
	return channel->opens || channel->length;
}

/* Closes the descriptors of a message. */
void close_fds(struct open *open);

/* Removes the first message. */
void drop_first_open(struct channel *channel);

/* Removes all bytes and messages that wait for the socket. */
void drop_unwritten(struct channel *channel);

/* Closes the socket, which removes it from both epoll instances. */
void close_socket(struct channel *channel);

/* Removes a channel about which nothing more is to be sent. If it is in the queue of control frames, its place in the
 * table stays taken until it leaves the queue. */
void drop_channel(struct mux *mux, struct channel *channel);

#endif
