/* Puts queued control frames into the output. */
#ifndef RSYSCALL_MUX_FLUSH_H
#define RSYSCALL_MUX_FLUSH_H

#include "state.h"

/* Puts as many as fit. */
void flush_queue(struct mux *mux);

#endif
