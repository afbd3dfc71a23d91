/* Answers by which this process ends alone, without a controller: docs/protocol.md, "Answers". */
#ifndef RSYSCALL_ANSWER_H
#define RSYSCALL_ANSWER_H

#include "hello.h"

/* RSYSCALL_REPLY: writes what comes on the socket to stdout and stderr, and ends as it says. */
__attribute__((noreturn)) void reply(int socket, struct arena *arena);

/* RSYSCALL_EXEC: becomes the program that the next `size` bytes on the socket name. */
__attribute__((noreturn)) void become_program(int socket, u64 size, const struct launch *launch);

#endif
