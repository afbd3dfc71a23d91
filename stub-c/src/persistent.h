#ifndef RSYSCALL_PERSISTENT_H
#define RSYSCALL_PERSISTENT_H

#include "hello.h"

/* Serves controllers that connect to a listening Unix stream socket and that have the right to, one after the other,
 * forever. Takes over the descriptor. */
__attribute__((noreturn)) void serve_controllers(int listening, const struct launch *launch);

#endif
