/* Memory from the kernel, filled with zeros. */
#ifndef RSYSCALL_MUX_MAPPING_H
#define RSYSCALL_MUX_MAPPING_H

#include "sys.h"

/* Returns 0 if there is none. */
static inline void *map(u64 size)
{
	long start = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	return is_error(start) ? 0 : (void *)start;
}

static inline void unmap(void *start, u64 size)
{
	sys_munmap(start, size);
}

#endif
