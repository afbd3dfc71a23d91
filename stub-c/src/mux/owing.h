/* What is to be said besides DATA. It is kept as a state, not as frames: it needs no room. */
#ifndef RSYSCALL_MUX_OWING_H
#define RSYSCALL_MUX_OWING_H

#include "state.h"

/* Closes a channel in our turn. Nothing is lost that has been read from it. */
void owe_close(struct mux *mux, struct channel *channel);

void owe_end(struct mux *mux, struct channel *channel);

/* Tells of bytes that went on, if they are many, or the last for now. */
void owe_credit(struct mux *mux, struct channel *channel);

/* Writes what is owed, as far as there is room for it. */
void say_what_is_owed(struct mux *mux);

#endif
