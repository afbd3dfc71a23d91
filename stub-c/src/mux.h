#ifndef RSYSCALL_MUX_H
#define RSYSCALL_MUX_H

#include "rsyscall/protocol.h"

/* Carries channels over stdin and stdout until stdin ends, or until there is nothing left to carry:
 * docs/protocol.md. server: the socket of channel 0, to a child that serves, and its pid. */
__attribute__((noreturn)) void run_mux(int server, i32 pid);

#endif
