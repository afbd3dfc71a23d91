/* src/server.c with src/operation.c and src/transfer.c on a fake kernel. A script decides which requests arrive, in which
 * parts, and how far each send gets. Checked are the results, their order, and that none waits for a call that may
 * block: docs/protocol.md, "System calls over the socket". */
#include "rsyscall/operation.h"
#include "rsyscall/child.h"
#include "rsyscall/server.h"
#include "test.h"

#define REQUESTS 512
#define RESULTS_SIZE (REQUESTS * (sizeof(i64) + RSYSCALL_EVENTS_AT_MOST * EPOLL_EVENT_SIZE))
#define NUMBERS 400 /* system calls of requests are below this */

/* Descriptors: the socket of the requests, that of the results, the data socket and the epoll instance. */
enum { IN = 10, OUT, SIDE, EVENTS };

static struct world {
	struct script script;
	struct rsyscall_request requests[REQUESTS];
	u32 count;    /* requests that the client will send */
	u64 in_start; /* bytes that the server has read */
	u64 in_ready; /* bytes that have arrived */
	u32 begun;    /* requests that were begun, but for EPOLL_WAIT */
	u8 expected[RESULTS_SIZE], got[RESULTS_SIZE];
	u64 expected_size, got_size;
	u32 sends;      /* of results */
	u64 side_sent;  /* bytes on the data socket */
	u32 waiting;    /* events of the epoll instance */
	int has_waited; /* the server has asked it for events */
	i64 wait_result;
	struct epoll_event taken[RSYSCALL_EVENTS_AT_MOST];
	u8 memory[4096]; /* what addresses of requests are in */
} world;

static u64 minimum(u64 a, u64 b)
{
	return a < b ? a : b;
}

static int is_in_memory(const void *start, u64 length)
{
	const u8 *at = start;
	return at >= world.memory && length <= sizeof world.memory && at <= world.memory + sizeof world.memory - length;
}

static void expect(const void *bytes, u64 length)
{
	check(world.expected_size + length <= sizeof world.expected);
	memcpy(world.expected + world.expected_size, bytes, length);
	world.expected_size += length;
}

/* Which request the server performs now, as far as the results tell: an EPOLL_WAIT answers by itself. */
static const struct rsyscall_request *begin_request(void)
{
	check(world.begun < world.count);
	return &world.requests[world.begun++];
}

/* A call of a request. Its result is a mix of all its words. */
static long perform_call(long number, const u64 args[6])
{
	const struct rsyscall_request *request = begin_request();
	u64 result = (u64)number;
	check(request->number == (u32)number && memcmp(request->args, args, sizeof request->args) == 0);
	for (int i = 0; i < 6; i++)
		result = result * 31 + args[i];
	if (!(request->flags & RSYSCALL_REQUEST_PROMPT))
		check(world.got_size == world.expected_size);
	expect(&result, sizeof result);
	return (long)result;
}

/* More requests arrive. */
static void arrive(void)
{
	u64 all = world.count * sizeof world.requests[0];
	world.in_ready = minimum(all, world.in_ready + 1 + next_byte(&world.script) * 8);
	if (has_ended(&world.script))
		world.in_ready = all;
}

static long do_read(u8 *to, u64 length)
{
	check(length);
	if (next_byte(&world.script) == 7)
		return -EINTR;
	u64 part = minimum(length, world.in_ready - world.in_start);
	memcpy(to, (u8 *)world.requests + world.in_start, part);
	world.in_start += part;
	return (long)part;
}

static long do_send(int fd, const u8 *bytes, u64 length)
{
	u32 choice = next_byte(&world.script);
	check(length);
	if (choice == 7)
		return -EINTR;
	u64 part = choice % 4 == 1 ? minimum(length, choice / 4 + 1) : length;
	world.sends += fd == OUT;
	if (fd == SIDE) {
		/* Zeros in place of memory that cannot be read come from elsewhere, 64 at a time. */
		if (!is_in_memory(bytes, length) && (length > 64 || (u64)bytes < 4096))
			return -EFAULT;
		world.side_sent += part;
		return (long)part;
	}
	if (world.has_waited) {
		/* The answer to an EPOLL_WAIT: what the last look at the epoll instance gave. */
		world.has_waited = 0;
		world.begun++;
		expect(&world.wait_result, sizeof world.wait_result);
		if (world.wait_result > 0)
			expect(world.taken, (u64)world.wait_result * sizeof world.taken[0]);
	}
	check(fd == OUT && world.got_size + part <= sizeof world.got);
	memcpy(world.got + world.got_size, bytes, part);
	world.got_size += part;
	check(world.got_size <= world.expected_size && memcmp(world.got, world.expected, world.got_size) == 0);
	return (long)part;
}

static long do_receive(u8 *to, u64 length)
{
	u32 choice = next_byte(&world.script);
	if (choice == 7)
		return -EINTR;
	if (choice == 8)
		return 0;
	if (!is_in_memory(to, length))
		return -EFAULT;
	u64 part = choice % 4 == 1 ? minimum(length, choice / 4 + 1) : length;
	memset(to, 1, part);
	return (long)part;
}

/* EPOLL_WAIT looks at the epoll instance. */
static long do_epoll_wait(int epoll, struct epoll_event *events, long most)
{
	check(world.begun < world.count && world.requests[world.begun].number == RSYSCALL_OP_EPOLL_WAIT);
	check(most <= RSYSCALL_EVENTS_AT_MOST && most <= (long)world.requests[world.begun].args[1]);
	check(world.got_size == world.expected_size);
	long count = most < (long)world.waiting ? most : (long)world.waiting;
	if (epoll != EVENTS || most <= 0)
		count = -EINVAL;
	for (long i = 0; i < count; i++)
		events[i] = world.taken[i] = (struct epoll_event){POLLIN, {(u32)i}};
	world.waiting -= (u32)(count > 0 ? count : 0);
	world.has_waited = 1;
	world.wait_result = count;
	return count;
}

static long do_ppoll(struct pollfd *fds, u64 count)
{
	world.waiting = next_byte(&world.script) % 100;
	if (count == 1 && fds->fd == IN) {
		arrive();
		return 1;
	}
	check(count == 2 && fds[0].fd == IN && fds[1].fd == EVENTS);
	/* A server that has read a part of a request or more must not sleep here. */
	check(world.in_start % sizeof world.requests[0] == 0);
	u32 choice = next_byte(&world.script);
	if (choice == 7)
		return -EINTR;
	fds[1].revents = world.waiting ? POLLIN : 0;
	if (choice % 2 || !world.waiting) {
		arrive();
		fds[0].revents = POLLIN;
	}
	return 1;
}

long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	const u64 args[] = {(u64)a, (u64)b, (u64)c, (u64)d, (u64)e, (u64)f};
	const struct iovec *to = (void *)b, *from = (void *)d;
	switch (number) {
	case SYS_read:
		check(a == IN);
		return do_read((u8 *)b, (u64)c);
	case SYS_sendto:
		check(d == MSG_NOSIGNAL);
		return do_send((int)a, (u8 *)b, (u64)c);
	case SYS_recvfrom:
		check(a == SIDE && d == MSG_WAITALL);
		return do_receive((u8 *)b, (u64)c);
	case SYS_ppoll:
		return do_ppoll((struct pollfd *)a, (u64)b);
	case SYS_epoll_pwait:
		return do_epoll_wait((int)a, (struct epoll_event *)b, c);
	case SYS_getpid:
		return 1;
	case SYS_process_vm_readv:
		if (!is_in_memory(to->base, to->length) || !is_in_memory(from->base, from->length))
			return -EFAULT;
		memmove((void *)(u64)to->base, from->base, to->length);
		return (long)to->length;
	default:
		check(number < NUMBERS);
		return perform_call(number, args);
	}
}

void cpu_relax(void)
{
}

long rsyscall_clone(const struct rsyscall_clone_args *args, struct rsyscall_child *child,
		    void (*run)(struct rsyscall_child *child))
{
	(void)args, (void)child, (void)run;
	return 4321;
}

void rsyscall_run_child(struct rsyscall_child *child, rsyscall_performer *perform)
{
	(void)child, (void)perform;
	abort();
}

long rsyscall_serve_ring(int fd, struct rsyscall_ring *ring, rsyscall_performer *perform, u64 patience)
{
	(void)patience;
	(void)fd, (void)ring, (void)perform;
	abort();
}

/* Has the server perform what a request says, and notes what the client must get. */
static long perform(const struct rsyscall_request *request)
{
	check(request->number != RSYSCALL_OP_EPOLL_WAIT);
	if (request->number < RSYSCALL_OP_FIRST)
		return rsyscall_perform(request);
	check(memcmp(begin_request(), request, sizeof *request) == 0);
	if (!(request->flags & RSYSCALL_REQUEST_PROMPT))
		check(world.got_size == world.expected_size);
	long result = rsyscall_perform(request);
	expect(&result, sizeof result);
	return result;
}

/* An address: of the memory, beyond its end, or of nothing. */
static u64 next_address(void)
{
	u32 choice = next_u16(&world.script);
	return choice >= 0xff00 ? choice : (u64)world.memory + choice % (sizeof world.memory + 64);
}

static struct rsyscall_request next_request(void)
{
	struct rsyscall_request request = {0};
	u32 choice = next_byte(&world.script);
	request.flags = choice >> 7;
	switch (choice % 8) {
	case 0:
	case 1:
		request.number = RSYSCALL_OP_SEND_ALL + choice % 8;
		request.args[0] = SIDE;
		request.args[1] = next_address();
		request.args[2] = next_u16(&world.script) % 5000;
		break;
	case 2:
		request.number = RSYSCALL_OP_COPY;
		request.args[0] = (u64)world.memory;
		request.args[1] = next_address();
		request.args[2] = next_u16(&world.script) % 5000;
		break;
	case 3:
		request.args[0] = choice & 64 ? 0 : EVENTS;
		request.args[1] = choice >> 4 & 3 ? choice : 0;
		request.number = choice & 16  ? RSYSCALL_OP_EPOLL_WAIT
				 : choice & 8 ? RSYSCALL_OP_CLONE
					      : RSYSCALL_OP_FIRST + 5 + next_u16(&world.script);
		break;
	default:
		request.number = choice % NUMBERS;
		for (int i = 0; i < 6; i++)
			request.args[i] = next_byte(&world.script) * 0x0101010101010101ul;
	}
	return request;
}

static void begin(const u8 *script, size_t size)
{
	memset(&world, 0, sizeof world);
	world.script = (struct script){script, script + size};
}

static void serve(void)
{
	check(rsyscall_serve_socket(IN, OUT, perform) == 0);
	check(world.begun == world.count && world.got_size == world.expected_size);
}

/* Has some calls performed that arrive at once. The flags: p for PROMPT. */
static void test_sends(const char *flags, u32 sends)
{
	begin(0, 0);
	for (; *flags; flags++)
		world.requests[world.count++] =
			(struct rsyscall_request){.number = 1, .flags = *flags == 'p' ? RSYSCALL_REQUEST_PROMPT : 0};
	serve();
	check(world.sends == sends);
}

static void test_operation(struct rsyscall_request request, i64 result)
{
	begin(0, 0);
	world.requests[world.count++] = request;
	serve();
	check(memcmp(world.got, &result, sizeof result) == 0);
}

/* An EPOLL_WAIT does not sleep if a part of the next request has arrived. */
static void test_part_behind_wait(void)
{
	/* No events; 81 bytes arrive; they are read. */
	const u8 script[50] = {0, 10, 0};
	begin(script, sizeof script);
	world.requests[world.count++] = (struct rsyscall_request){RSYSCALL_OP_EPOLL_WAIT, 0, {EVENTS, 1}};
	world.requests[world.count++] = (struct rsyscall_request){.number = 1};
	serve();
}

void run_tests(void)
{
	test_part_behind_wait();
	u64 memory = (u64)world.memory;
	test_sends("pppp", 1);
	test_sends("-", 1);
	test_sends("pp-p", 2);
	test_sends("---", 3);
	test_operation((struct rsyscall_request){RSYSCALL_OP_COPY, 0, {memory, memory + 100, 50}}, 0);
	test_operation((struct rsyscall_request){RSYSCALL_OP_COPY, 0, {memory, 0, 50}}, -EFAULT);
	test_operation((struct rsyscall_request){RSYSCALL_OP_SEND_ALL, 0, {SIDE, memory, 4096}}, 4096);
	test_operation((struct rsyscall_request){RSYSCALL_OP_SEND_ALL, 0, {SIDE, 1, 4096}}, -EFAULT);
	check(world.side_sent == 4096);
	test_operation((struct rsyscall_request){RSYSCALL_OP_RECV_ALL, 0, {SIDE, memory, 4096}}, 4096);
	test_operation((struct rsyscall_request){RSYSCALL_OP_EPOLL_WAIT, 0, {-1ul, 64}}, -EINVAL);
	test_operation((struct rsyscall_request){RSYSCALL_OP_FIRST + 99, 0, {0}}, -ENOSYS);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	begin(data, size);
	for (u32 count = next_byte(&world.script) * 2 % REQUESTS; world.count < count; world.count++)
		world.requests[world.count] = next_request();
	serve();
	return 0;
}
