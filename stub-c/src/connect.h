#ifndef RSYSCALL_CONNECT_H
#define RSYSCALL_CONNECT_H

#include "hello.h"

/* Connects to the server that this launch is meant for, or fails.
 * Returns the lowest descriptor that does not get in the way of what the caller left open. */
int connect_to_server(const struct launch *launch);

/* The value of NAME in environment, or 0. prefix is "NAME=". */
const char *environment_value(char **environment, const char *prefix);

#endif
