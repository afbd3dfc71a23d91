#ifndef RSYSCALL_ARENA_H
#define RSYSCALL_ARENA_H

#include "rsyscall/ring.h"

/* Memory that a server on this host can map as well. It begins with a ring. */
struct arena {
	int fd; /* -1: there is none */
	u64 size;
	struct rsyscall_ring *start;
};

/* Makes an arena, as large as the limits of this process allow, or none. */
struct arena make_arena(void);

/* Without an arena: the server does not want it. */
void drop_arena(struct arena *arena);

#endif
