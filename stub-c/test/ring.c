/* src/ring.c on a fake kernel. A script decides what the client does whenever the server makes a call or spins: it puts
 * requests into the ring, wakes the server, sleeps, changes CPUs, or writes anything anywhere in the ring. Checked are
 * the results and their order, that both sides are woken, and that no result waits for a call that may block:
 * docs/protocol.md, "System calls through the ring". */
#include "rsyscall/ring.h"
#include "test.h"

#define SOCKET 10
#define CALLS 4096

static struct world {
	struct script script;
	struct rsyscall_ring *ring;
	u32 submitted; /* calls that the client has put into the ring */
	u32 performed; /* calls that the server has begun */
	u32 known;     /* results that the client has been woken for, or has seen */
	u32 is_prompt[RSYSCALL_RING_SLOTS];
	u32 wakes;      /* bytes on the server's socket */
	int is_hostile; /* the client has written anything */
	int client_sleeps;
	int has_hung_up;
	u32 sends; /* bytes from the server */
	u64 time;
} world;

static u32 state_of(u32 call)
{
	return world.ring->slots[call % RSYSCALL_RING_SLOTS].state;
}

/* The client looks at results, and then may sleep. */
static void look(void)
{
	while (world.known < world.submitted && state_of(world.known) == 2 * world.known + 2) {
		if (!world.is_hostile)
			check(world.ring->slots[world.known % RSYSCALL_RING_SLOTS].result == (long)world.known * 3);
		world.known++;
	}
}

static void submit(u32 flags)
{
	look();
	if (world.submitted - world.known >= RSYSCALL_RING_SLOTS || world.submitted >= CALLS)
		return;
	struct rsyscall_slot *slot = &world.ring->slots[world.submitted % RSYSCALL_RING_SLOTS];
	slot->number = 100 + world.submitted % 50;
	slot->number |= flags & 1 ? RSYSCALL_SLOT_PROMPT : 0;
	world.is_prompt[world.submitted % RSYSCALL_RING_SLOTS] = flags & 1;
	for (u32 i = 0; i < 6; i++)
		slot->args[i] = world.submitted + i;
	slot->state = 2 * world.submitted++ + 1;
	/* As the client does it: docs/protocol.md, "Sleeping". */
	if (world.ring->server_sleeps) {
		world.ring->server_sleeps = 0;
		world.wakes++;
	}
}

static void sleep_client(void)
{
	if (world.is_hostile)
		return;
	world.ring->client_sleeps = 1;
	look();
	world.client_sleeps = world.known < world.submitted;
	if (!world.client_sleeps)
		world.ring->client_sleeps = 0;
}

static void step(void)
{
	if (has_ended(&world.script))
		return;
	u32 code = next_byte(&world.script);
	switch (code % 8) {
	case 0:
	case 1:
		if (!world.client_sleeps)
			submit(code >> 3);
		break;
	case 2:
		for (u32 i = code >> 3; i && !world.client_sleeps; i--)
			submit(i);
		break;
	case 3:
		sleep_client();
		break;
	case 4:
		world.wakes++; /* for no reason */
		break;
	case 5:
		world.ring->client_cpu = (i32)(code >> 3) % 3 - 1;
		break;
	case 6:
		if (code >> 3 == 31) {
			world.is_hostile = 1;
			u32 at = next_u16(&world.script) % 4096;
			((u8 *)world.ring)[at] = (u8)next_byte(&world.script);
		}
		break;
	default:
		look();
	}
}

static long perform(const struct rsyscall_request *request)
{
	u32 call = world.performed++;
	if (!world.is_hostile) {
		check(call < world.submitted && request->number == 100 + call % 50);
		for (u32 i = 0; i < 6; i++)
			check(request->args[i] == call + i);
		/* A client that sleeps has been woken for all results by now, if this call may block. */
		if (!world.is_prompt[call % RSYSCALL_RING_SLOTS])
			check(!world.client_sleeps || world.known == call);
	}
	step();
	return (long)call * 3;
}

/* The server sleeps. */
static long do_ppoll(void)
{
	while (!world.wakes) {
		if (!world.is_hostile) {
			/* Nothing is left to do for it, and the client knows all. */
			check(world.ring->server_sleeps && world.performed == world.submitted);
			check(!world.client_sleeps);
		}
		if (has_ended(&world.script)) {
			world.has_hung_up = 1;
			return 1;
		}
		step();
	}
	return 1;
}

long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)d, (void)e, (void)f;
	switch (number) {
	case SYS_ppoll:
		return do_ppoll();
	case SYS_read:
		check(a == SOCKET && c > 0);
		if (next_byte(&world.script) == 7)
			return -EINTR;
		if (!world.wakes)
			return world.has_hung_up ? 0 : -EAGAIN;
		long part = world.wakes < (u64)c ? (long)world.wakes : c;
		memset((void *)b, 1, (u64)part);
		world.wakes -= (u32)part;
		return part;
	case SYS_sendto:
		check(a == SOCKET && c == 1);
		if (next_byte(&world.script) == 7)
			return -EINTR;
		world.client_sleeps = 0;
		world.sends++;
		look();
		return 1;
	case SYS_clock_gettime:
		step();
		world.time += next_byte(&world.script) * 1000 + 1000;
		*(struct timespec *)b = (struct timespec){0, (i64)world.time};
		return 0;
	case SYS_sched_getaffinity:
		*(u64 *)c = next_byte(&world.script) % 4;
		return sizeof(u64);
	default:
		check(0 && number);
		return 0;
	}
}

void cpu_relax(void)
{
	static u32 times;
	if (++times % 32 == 0)
		step();
}

static void begin(const u8 *script, size_t size)
{
	memset(&world, 0, sizeof world);
	world.script = (struct script){script, script + size};
	world.ring = calloc(1, sizeof *world.ring);
}

static void serve(void)
{
	check(rsyscall_serve_ring(SOCKET, world.ring, perform, 50000) == 0);
	check(world.is_hostile || (world.performed == world.submitted && !world.client_sleeps));
	free(world.ring);
}

/* Has as many calls performed as were put into the ring before; the client sleeps until it is woken. */
static void test_wakes(u32 calls, u32 flags, u32 sends)
{
	begin(0, 0);
	while (calls--)
		submit(flags);
	sleep_client();
	serve();
	check(world.sends == sends && world.known <= world.submitted);
}

void run_tests(void)
{
	test_wakes(0, 0, 0);
	test_wakes(1, 0, 1);
	test_wakes(RSYSCALL_RING_SLOTS, 1, 1);
	test_wakes(RSYSCALL_RING_SLOTS, 0, 1);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	begin(data, size);
	serve();
	return 0;
}
