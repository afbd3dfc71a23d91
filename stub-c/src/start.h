#ifndef RSYSCALL_START_H
#define RSYSCALL_START_H

#include "hello.h"

/* What a program does. */
__attribute__((noreturn)) void run(const struct launch *launch);

#endif
