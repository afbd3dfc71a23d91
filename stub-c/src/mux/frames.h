/* What the near side says. */
#ifndef RSYSCALL_MUX_FRAMES_H
#define RSYSCALL_MUX_FRAMES_H

#include "state.h"

/* Takes all that has come: each frame, and of DATA what there is. */
void take_input(struct mux *mux);

#endif
