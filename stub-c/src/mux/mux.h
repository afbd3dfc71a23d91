/* Channels over stdin and stdout: docs/protocol.md, "The multiplexed stream". */
#ifndef RSYSCALL_MUX_MUX_H
#define RSYSCALL_MUX_MUX_H

#include "rsyscall/protocol.h"

/* Carries channels until stdin ends, or until there is nothing left to carry. server: the socket of channel 0, whose
 * other end a child process serves. pid: that process. */
__attribute__((noreturn)) void run_mux(int server, i32 pid);

#endif
