/* The epoll instances: which sockets can be read, and which have room again. */
#ifndef RSYSCALL_MUX_WATCHES_H
#define RSYSCALL_MUX_WATCHES_H

#include "state.h"

/* Channels that handle_ready handles at most. */
#define READY_AT_MOST 64

void make_watches(struct mux *mux);

/* Watches a socket for the events that matter now. A hang-up is reported even if no event is asked for, so a socket
 * that is neither to be read nor to be written is not watched at all. */
void update_watches(struct mux *mux, struct channel *channel);

/* Calls `handle` for the channels that an epoll instance reports, for READY_AT_MOST at most. `handle` must not close
 * another channel than its own. */
void handle_ready(struct mux *mux, int epoll, int at_most, void (*handle)(struct mux *, struct channel *));

#endif
