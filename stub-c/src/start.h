#ifndef RSYSCALL_START_H
#define RSYSCALL_START_H

#include "hello.h"

/* The entry point, called by start.S. start: what the kernel left on the stack, which is argc, argv, 0, environment, 0,
 * and the auxiliary vector of pairs. */
__attribute__((noreturn, used)) void rsyscall_start(u64 *start);

/* What each program defines: its work. */
__attribute__((noreturn)) void run(const struct launch *launch);

#endif
