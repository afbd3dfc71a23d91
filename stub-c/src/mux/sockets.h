/* Reading and writing of the channels' sockets. */
#ifndef RSYSCALL_MUX_SOCKETS_H
#define RSYSCALL_MUX_SOCKETS_H

#include "state.h"

/* To be called after bytes were written, after it became impossible to write, and when END has arrived. */
void after_writing(struct mux *mux, struct channel *channel);

/* Writes what waits for the socket, as far as it has room. */
void write_channel(struct mux *mux, struct channel *channel);

/* Writes a part of a DATA frame, and buffers what the socket has no room for. The frame was within what is granted, so
 * the buffer has room. channel: 0 if it was closed. */
void take_data(struct mux *mux, struct channel *channel, const u8 *bytes, u32 length);

/* Reads a socket once, and notices its end. */
void read_channel(struct mux *mux, struct channel *channel);

#endif
