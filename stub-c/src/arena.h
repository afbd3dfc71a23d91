#ifndef RSYSCALL_ARENA_H
#define RSYSCALL_ARENA_H

#include "rsyscall/ring.h"

/* Memory that a controller on this host can map as well. It begins with a ring. */
struct arena {
	int fd;   /* -1: closed, or there is no arena */
	u64 size; /* 0: there is no arena */
	struct rsyscall_ring *start;
};

/* Makes an arena as large as the limits of this process allow, or none. */
struct arena make_arena(void);

/* Unmaps the memory: the controller does not use it. */
void unmap_arena(struct arena *arena);

#endif
