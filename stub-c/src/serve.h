#ifndef RSYSCALL_SERVE_H
#define RSYSCALL_SERVE_H

#include "hello.h"

/* Duplicates a descriptor to a number that programs do not use for their own redirections. */
int set_aside(int fd);

/* As set_aside, but returns -errno if there is no number left. */
long try_set_aside(int fd);

/* Says hello on a Unix stream socket, takes the welcome, and performs what it is asked to until the
 * controller is gone. offers_memory: whether who reads the hello can map what comes with it. */
__attribute__((noreturn)) void serve_on(int handshake, const struct launch *launch, int offers_memory);

#endif
