#ifndef RSYSCALL_SERVER_H
#define RSYSCALL_SERVER_H

/* Performs the requests that arrive on infd and answers them on outfd, both stream sockets.
 * Returns 0 when the other side has hung up, and a negative errno when a socket failed. */
long rsyscall_server(int infd, int outfd);

#endif
