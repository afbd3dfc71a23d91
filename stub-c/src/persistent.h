#ifndef RSYSCALL_PERSISTENT_H
#define RSYSCALL_PERSISTENT_H

#include "hello.h"

/* Serves whoever connects to a listening Unix stream socket and may, one after the other, for ever. The
 * descriptor is this function's own. */
__attribute__((noreturn)) void stay(int listening, const struct launch *launch);

#endif
