/* Closing many descriptors at once. */
#ifndef RSYSCALL_DESCRIPTORS_H
#define RSYSCALL_DESCRIPTORS_H

#include "rsyscall/protocol.h"

/* close_range(2), from first to last, both included; one by one where a seccomp profile refuses it. */
void rsyscall_close_range(u32 first, u32 last);

#endif
