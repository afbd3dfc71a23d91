/* Bytes from stdin. */
#ifndef RSYSCALL_MUX_INPUT_H
#define RSYSCALL_MUX_INPUT_H

#include "state.h"

/* Reads what has arrived, and handles it. */
void read_stdin(struct mux *mux);

#endif
