/* System calls through memory that the client and the server share: docs/protocol.md, "The ring".
 *
 * A slot holds one call: the client writes the request and then sets `state`, the server writes the result and then
 * sets `state`. So a call moves one cache line to the server and back. */
#ifndef RSYSCALL_RING_H
#define RSYSCALL_RING_H

#include "rsyscall/protocol.h"

#define RSYSCALL_RING_SLOTS 63

/* Calls are numbered from 0 up to this, exclusive, and then from 0 again. It is a multiple of the slots. */
#define RSYSCALL_RING_CALLS (RSYSCALL_RING_SLOTS << 24)

struct rsyscall_slot {
	u32 state;  /* call n: 2n + 1 with its request, 2n + 2 with its result */
	u32 number; /* as in struct rsyscall_request, and RSYSCALL_SLOT_PROMPT */
	u64 args[6];
	i64 result;
};

#define RSYSCALL_SLOT_PROMPT 0x80000000u

/* One page: this header, and the slots. Call n uses the slot n modulo RSYSCALL_RING_SLOTS. */
struct rsyscall_ring {
	u32 server_sleeps; /* the server waits for a byte on its socket */
	u32 client_sleeps; /* the client waits for a byte on its socket */
	/* The only CPU on which the server and the client may run; -1: there are several. If both may run on the same
	 * CPU only, neither spins: it would keep the other from running. */
	i32 server_cpu;
	i32 client_cpu;
	u64 reserved[6];
	struct rsyscall_slot slots[RSYSCALL_RING_SLOTS];
};

_Static_assert(sizeof(struct rsyscall_slot) == 64, "slot");
_Static_assert(sizeof(struct rsyscall_ring) == 4096, "ring");

/* Has `perform` perform the requests of a ring, in order. `fd` is a stream socket over which both sides wake each
 * other. Returns 0 when the peer has hung up, and -errno when the socket failed. It spins for the first request as many
 * nanoseconds as `patience` says. */
long rsyscall_serve_ring(int fd, struct rsyscall_ring *ring, rsyscall_performer *perform, u64 patience);

#endif
