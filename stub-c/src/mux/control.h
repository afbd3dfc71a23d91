/* Control frames to be sent: CLOSE, END and CREDIT. They are kept as the state of channels, so they need no room until
 * they are put into the output (flush.h). */
#ifndef RSYSCALL_MUX_CONTROL_H
#define RSYSCALL_MUX_CONTROL_H

#include "state.h"

/* Closes the socket of a channel, and queues CLOSE. All bytes that were read from it are in the output already. */
void queue_close(struct mux *mux, struct channel *channel);

/* Queues END. */
void queue_end(struct mux *mux, struct channel *channel);

/* Queues CREDIT for bytes that were written, if there are many of them or no more to write. */
void queue_credit(struct mux *mux, struct channel *channel);

#endif
