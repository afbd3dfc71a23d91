/* How the stream ends. */
#ifndef RSYSCALL_MUX_END_H
#define RSYSCALL_MUX_END_H

#include "state.h"

/* Ends the children, and this process, with status 0. The sockets of the channels close with it. */
__attribute__((noreturn)) void end_stream(const struct mux *mux);

/* The same with status 1, and with an error message, because the kernel refuses something. */
__attribute__((noreturn)) void fail_stream(const char *what, long error);

/* The same, because the near side broke the protocol. */
__attribute__((noreturn)) void fail_broken(const char *why);

#endif
