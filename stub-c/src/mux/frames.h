/* Frames from the near side. */
#ifndef RSYSCALL_MUX_FRAMES_H
#define RSYSCALL_MUX_FRAMES_H

#include "state.h"

/* Handles the bytes in the input: whole frames, and of a DATA frame as much as has arrived. */
void take_input(struct mux *mux);

#endif
