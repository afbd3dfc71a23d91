#ifndef RSYSCALL_CONNECT_H
#define RSYSCALL_CONNECT_H

/* Connects to the server that this launch is meant for, or fails. execfn is the path by which the
 * program was executed (AT_EXECFN); environment is searched for the variables that name a socket.
 * Returns the lowest descriptor that does not get in the way of what the caller left open. */
int connect_to_server(const char *execfn, char **environment);

/* The value of NAME in environment, or 0. prefix is "NAME=". */
const char *environment_value(char **environment, const char *prefix);

#endif
