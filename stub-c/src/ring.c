/* The server loop for a client on this host: requests and results in memory that both have. */
#include "rsyscall/ring.h"
#include "kernel.h"
#include "rsyscall/server.h"

/* Nanoseconds for which it looks out for the next request: a few times what it costs to be woken where
 * that has paid, and hardly at all where it has not. */
#define SPIN_AT_FIRST 50000
#define SPIN_AT_MOST 200000
#define SPIN_AT_LEAST 2000

/* How often it is woken between two looks whether there is a second CPU by now. */
#define RECHECK 16

/* How often it looks between two looks at the clock. */
#define LOOKS 64

#define load(from) __atomic_load_n(from, __ATOMIC_SEQ_CST)
#define store(to, value) __atomic_store_n(to, value, __ATOMIC_SEQ_CST)

/* Nanoseconds; 0 where a filter of system calls refuses the clock. */
static u64 now(void)
{
	struct timespec time;
	if (syscall6(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&time, 0, 0, 0, 0) < 0)
		return 0;
	return (u64)time.seconds * 1000000000 + (u64)time.nanoseconds;
}

i32 rsyscall_only_cpu(void)
{
	u64 mask[16];
	i32 only = -1;
	long size = syscall6(SYS_sched_getaffinity, 0, sizeof mask, (long)mask, 0, 0, 0);
	for (long i = 0; i < size / 8; i++)
		for (u64 word = mask[i]; word; word &= word - 1) {
			if (only >= 0)
				return -1;
			only = (i32)i * 64 + __builtin_ctzl(word);
		}
	return only;
}

/* Whether the request came while we looked out for it. */
static int spin(const struct rsyscall_slot *slot, u32 requested, u64 nanoseconds)
{
	u64 end = 0;
	for (;;) {
		for (u32 i = 0; i < LOOKS; i++) {
			if (load(&slot->state) == requested)
				return 1;
			cpu_relax();
		}
		u64 time = now();
		if (!time)
			return 0;
		if (!end)
			end = time + nanoseconds;
		else if (time >= end)
			return 0;
	}
}

/* Wakes the client if it sleeps: results are there. */
static long wake_client(int fd, struct rsyscall_ring *ring)
{
	if (!load(&ring->client_sleeps) || !__atomic_exchange_n(&ring->client_sleeps, 0, __ATOMIC_SEQ_CST))
		return 0;
	long sent;
	do
		sent = sys_send(fd, "", 1);
	while (sent == -EINTR);
	return sent;
}

static u64 twice(u64 budget)
{
	return budget * 2 > SPIN_AT_MOST ? SPIN_AT_MOST : budget * 2;
}

static u64 half(u64 budget)
{
	return budget / 2 < SPIN_AT_LEAST ? SPIN_AT_LEAST : budget / 2;
}

long rsyscall_serve_ring(int fd, struct rsyscall_ring *ring)
{
	u64 budget = SPIN_AT_FIRST;
	u32 finished = 0; /* results of which the client may not know */
	u32 wakes = 0;
	ring->server_cpu = rsyscall_only_cpu();

	for (u32 call = 0;;) {
		struct rsyscall_slot *slot = &ring->slots[call % RSYSCALL_RING_SLOTS];
		u32 requested = 2 * call + 1;
		int has_request = load(&slot->state) == requested;

		/* As on a socket: no result waits for a call that may block. */
		if (finished && !(has_request && slot->number & RSYSCALL_SLOT_PROMPT)) {
			finished = 0;
			long sent = wake_client(fd, ring);
			if (sent < 0)
				return sent;
		}
		if (has_request) {
			struct rsyscall_request request = {slot->number & ~RSYSCALL_SLOT_PROMPT, 0, {0}};
			for (u32 i = 0; i < 6; i++)
				request.args[i] = slot->args[i];
			slot->result = rsyscall_perform(&request);
			store(&slot->state, 2 * call + 2);
			finished++;
			if (++call == RSYSCALL_RING_CALLS)
				call = 0;
			continue;
		}

		int may_spin = ring->server_cpu < 0 || ring->server_cpu != load(&ring->client_cpu);
		if (may_spin) {
			if (spin(slot, requested, budget)) {
				budget = twice(budget);
				continue;
			}
			budget = half(budget);
		}
		store(&ring->server_sleeps, 1);
		/* The client looks at server_sleeps after it has written a request, and we look the other way
		 * round, so one of us sees the other. */
		if (load(&slot->state) == requested) {
			store(&ring->server_sleeps, 0);
			continue;
		}
		char bells[64];
		u64 asleep = may_spin ? now() : 0;
		sys_await_input(fd);
		long got = sys_read(fd, bells, sizeof bells);
		store(&ring->server_sleeps, 0);
		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got;
		if (may_spin && now() - asleep < SPIN_AT_FIRST)
			budget = twice(budget);
		/* It may change at any time. Not to know of a second CPU costs less than not to have one. */
		if (may_spin || ++wakes % RECHECK == 0)
			ring->server_cpu = rsyscall_only_cpu();
	}
}
