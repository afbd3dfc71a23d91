#ifndef RSYSCALL_CONNECT_H
#define RSYSCALL_CONNECT_H

#include "hello.h"

/* Makes a socket, or fails. Returns a descriptor whose number the caller's program is not likely to use. */
int make_server_socket(void);

/* Finds the server's socket and connects to it, or fails. */
void connect_to_server(int fd, const struct launch *launch);

/* The value of a variable, or 0. prefix is "NAME=". */
const char *environment_value(char **environment, const char *prefix);

#endif
