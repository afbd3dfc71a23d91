/* Reading and writing of the channels' sockets. */
#ifndef RSYSCALL_MUX_SOCKETS_H
#define RSYSCALL_MUX_SOCKETS_H

#include "state.h"

/* To be called when something has been written on, or nothing can be any more, or is to be. */
void after_writing(struct mux *mux, struct channel *channel);

/* Writes on what waits, as the socket has room again. */
void write_channel(struct mux *mux, struct channel *channel);

/* Writes on a part of a DATA frame, which was within what is granted, and so there is room for it. */
void take_data(struct mux *mux, struct channel *channel, const u8 *bytes, u32 length);

/* Reads a channel's turn, and sees how it ends. */
void read_channel(struct mux *mux, struct channel *channel);

#endif
