/* System calls through memory that the client and the server share: docs/protocol.md, "The ring".
 *
 * A slot is a whole transaction: the client writes the request and says so in `state`, the server
 * writes the result and says so there. So a call costs one cache line's way there and back. */
#ifndef RSYSCALL_RING_H
#define RSYSCALL_RING_H

#include "rsyscall/protocol.h"

#define RSYSCALL_RING_SLOTS 63

/* Calls are numbered from 0 to this, and then from 0 again: whole rounds. */
#define RSYSCALL_RING_CALLS (RSYSCALL_RING_SLOTS << 24)

struct rsyscall_slot {
	u32 state;  /* call n: 2n + 1 with its request, 2n + 2 with its result */
	u32 number; /* as in struct rsyscall_request, and RSYSCALL_SLOT_PROMPT */
	u64 args[6];
	i64 result;
};

#define RSYSCALL_SLOT_PROMPT 0x80000000u

/* One page: this header, and the slots, of which call n uses that of n modulo RSYSCALL_RING_SLOTS. */
struct rsyscall_ring {
	u32 server_sleeps; /* the server reads its socket: a byte there wakes it */
	u32 client_sleeps; /* the client waits for a byte on its socket */
	/* The only CPU on which the one or the other may run; -1: there are several. Two that share one
	 * do not spin: neither would ever see the other move. */
	i32 server_cpu;
	i32 client_cpu;
	u64 reserved[6];
	struct rsyscall_slot slots[RSYSCALL_RING_SLOTS];
};

_Static_assert(sizeof(struct rsyscall_slot) == 64, "slot");
_Static_assert(sizeof(struct rsyscall_ring) == 4096, "ring");

/* Serves the calls of a ring. `fd` is a stream socket over which both sides wake each other, and
 * whose end is the end. Returns as rsyscall_server does. */
long rsyscall_serve_ring(int fd, struct rsyscall_ring *ring);

#endif
