/* Memory from the kernel. */
#ifndef RSYSCALL_MUX_MAPPING_H
#define RSYSCALL_MUX_MAPPING_H

#include "kernel.h"

#define MAP_PRIVATE 0x2
#define MAP_ANONYMOUS 0x20

/* Returns 0 when there is none. */
static inline void *map(u64 size)
{
	long start = syscall6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return start < 0 && start >= -4095 ? 0 : (void *)start;
}

static inline void unmap(void *start, u64 size)
{
	syscall6(SYS_munmap, (long)start, (long)size, 0, 0, 0, 0);
}

#endif
