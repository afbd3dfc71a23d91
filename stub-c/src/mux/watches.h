/* The epoll instances: which sockets can be read, and which have room again. */
#ifndef RSYSCALL_MUX_WATCHES_H
#define RSYSCALL_MUX_WATCHES_H

#include "state.h"

void make_watches(struct mux *mux);

/* Watches a socket for what can be done about it. Hang-ups are told whether they are asked for or not,
 * so a socket that can do nothing but wait for credit is not watched at all. */
void update_watches(struct mux *mux, struct channel *channel);

/* Performs what an epoll instance tells of, for so many channels at most. */
void handle_ready(struct mux *mux, int epoll, int at_most, void (*handle)(struct mux *, struct channel *));

#endif
