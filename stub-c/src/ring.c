#include "rsyscall/ring.h"
#include "sys.h"

/* Nanoseconds for which the server spins for the next request: a few times the cost of a wake-up if requests come
 * within that time, and hardly at all if they do not. It learns that. */
#define SPIN_AT_MOST 200000
#define SPIN_AT_LEAST 2000

/* A sleep that is shorter than this would rather have been a spin. */
#define WAKE_UP_COST 50000

/* A server that shares its only CPU with the client checks after this many wake-ups whether it still does. */
#define WAKES_PER_CHECK 16

/* The clock is read once per this many reads of the slot. */
#define READS_PER_CLOCK 64

/* One byte wakes a sleeper. Several may have arrived, and their values do not matter. */
#define WAKE_BYTES_AT_MOST 64

#define load(from) __atomic_load_n(from, __ATOMIC_SEQ_CST)
#define store(to, value) __atomic_store_n(to, value, __ATOMIC_SEQ_CST)

/* Nanoseconds; 0 where a seccomp filter refuses the call. */
static u64 now(void)
{
	struct timespec time;
	if (sys_clock_gettime(CLOCK_MONOTONIC, &time) < 0)
		return 0;
	return (u64)(time.seconds * NANOSECONDS + time.nanoseconds);
}

/* The only CPU on which this process may run; -1 if there are several, or if the kernel does not say. */
static i32 only_cpu(void)
{
	u64 mask[16];
	i32 only = -1;
	int words = (int)(sys_sched_getaffinity(mask, sizeof mask) / (long)sizeof mask[0]);
	for (int i = 0; i < words; i++)
		for (u64 word = mask[i]; word; word &= word - 1) {
			if (only >= 0)
				return -1;
			only = i * 64 + __builtin_ctzl(word);
		}
	return only;
}

/* Whether the request arrived within the time. */
static int spin(const struct rsyscall_slot *slot, u32 requested, u64 nanoseconds)
{
	u64 end = 0;
	for (;;) {
		for (u32 i = 0; i < READS_PER_CLOCK; i++) {
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

/* Wakes the client if it sleeps, because there are results for it. */
static long wake_client(int fd, struct rsyscall_ring *ring)
{
	if (!load(&ring->client_sleeps) || !__atomic_exchange_n(&ring->client_sleeps, 0, __ATOMIC_SEQ_CST))
		return 0;
	long sent;
	do
		sent = sys_send(fd, "", 1, 0);
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

long rsyscall_serve_ring(int fd, struct rsyscall_ring *ring, rsyscall_performer *perform, u64 patience)
{
	u64 budget = patience;
	u32 finished = 0; /* results for which the client was not woken */
	u32 wakes = 0;
	ring->server_cpu = only_cpu();

	for (u32 call = 0;;) {
		struct rsyscall_slot *slot = &ring->slots[call % RSYSCALL_RING_SLOTS];
		u32 requested = 2 * call + 1;
		int has_request = load(&slot->state) == requested;

		/* A result must not wait for a call that may block. */
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
			slot->result = perform(&request);
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
		/* The client writes a request and then reads server_sleeps. The server writes server_sleeps and then
		 * reads the slot. So at least one of them sees what the other has written. */
		if (load(&slot->state) == requested) {
			store(&ring->server_sleeps, 0);
			continue;
		}
		char wake_bytes[WAKE_BYTES_AT_MOST];
		u64 asleep = may_spin ? now() : 0;
		wait_for_input(fd);
		long got = sys_read(fd, wake_bytes, sizeof wake_bytes);
		store(&ring->server_sleeps, 0);
		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got;
		if (may_spin && now() - asleep < WAKE_UP_COST)
			budget = twice(budget);
		/* The affinity may change at any time. A server that spins on a single CPU costs more than one that does
		 * not spin on two: so the former checks at every wake-up, the latter rarely. */
		if (may_spin || ++wakes % WAKES_PER_CHECK == 0)
			ring->server_cpu = only_cpu();
	}
}
