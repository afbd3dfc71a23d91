/* Many descriptors at once. */
#ifndef RSYSCALL_DESCRIPTORS_H
#define RSYSCALL_DESCRIPTORS_H

#include "rsyscall/protocol.h"

/* Calls `visit` for each descriptor that /proc/self/fd lists, except the one that it reads the list with. Stops if
 * `visit` returns other than 0, and returns that. Returns -errno if there is no /proc. */
long rsyscall_each_fd(int (*visit)(void *context, int fd), void *context);

/* close_range(2) of all descriptors from first to last, both included; one by one where a seccomp profile refuses
 * that call. */
void rsyscall_close_range(u32 first, u32 last);

#endif
