/* What a stub and a task do once they have a socket to their controller. */
#ifndef RSYSCALL_SERVE_H
#define RSYSCALL_SERVE_H

#include "hello.h"

/* Where duplicates get their numbers. Shells use numbers below 10 for redirections, and put descriptors of their own
 * just above. Programs expect no free number as high as HIGH_FDS. If a low RLIMIT_NOFILE refuses those, any number
 * that is not of a standard descriptor must do. */
#define HIGH_FDS 100
#define LOW_FDS 3

/* Duplicates a descriptor to such a number, or fails. */
int dup_high(int fd);

/* Sends the hello on a Unix stream socket, takes the welcome, and performs requests until the controller is gone.
 * offers_memory: whether the peer can map the memory of an arena. answers: as those of the hello. */
__attribute__((noreturn)) void serve_on(int handshake, const struct launch *launch, int offers_memory, u64 answers);

#endif
