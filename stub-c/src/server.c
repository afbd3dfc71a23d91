/* Runs in a stub, and in children that share an address space with a foreign runtime. So it uses no libc, no
 * thread-local storage and no global state: everything is on the stack that the caller gave it. */
#include "rsyscall/server.h"
#include "rsyscall/transfer.h"
#include "sys.h"

#define BATCH 64

struct results {
	int fd;
	u32 count;
	i64 values[BATCH];
};

static long send_results(struct results *results)
{
	long sent = rsyscall_send_all(results->fd, results->values, results->count * sizeof(i64));
	results->count = 0;
	return sent;
}

/* RSYSCALL_OP_EPOLL_WAIT. A request that arrives on infd wakes it. A request that was read already would not, so it
 * may sleep only if there is none. */
static long wait_for_events(int infd, int may_sleep, const u64 args[6], struct epoll_event *events)
{
	int epoll = (int)args[0];
	int most = args[1] < RSYSCALL_EVENTS_AT_MOST ? (int)args[1] : RSYSCALL_EVENTS_AT_MOST;
	for (;;) {
		long count = sys_epoll_take(epoll, events, most);
		if (count || !may_sleep)
			return count;
		struct pollfd polls[] = {{infd, POLLIN, 0}, {epoll, POLLIN, 0}};
		long ready = sys_ppoll(polls, 2, 0, 0);
		if (ready < 0 && ready != -EINTR)
			return ready;
		/* The event that woke the server may be gone by now. Then it sleeps again. */
		may_sleep = ready < 0 || !polls[0].revents;
	}
}

/* Performs an EPOLL_WAIT. Its events are sent with the result: a request that fetched them would have to wait for
 * the result, because it would end the wait. */
static long answer_epoll_wait(int infd, int outfd, int may_sleep, const struct rsyscall_request *request)
{
	struct {
		i64 result;
		struct epoll_event events[RSYSCALL_EVENTS_AT_MOST];
	} answer;
	answer.result = wait_for_events(infd, may_sleep, request->args, answer.events);
	u64 count = answer.result > 0 ? (u64)answer.result : 0;
	return rsyscall_send_all(outfd, &answer, sizeof answer.result + count * sizeof answer.events[0]);
}

long rsyscall_serve_socket(int infd, int outfd, rsyscall_performer *perform)
{
	struct rsyscall_request requests[BATCH];
	struct results results;
	u64 have = 0; /* bytes of requests that were read and not yet performed */

	results.fd = outfd;
	results.count = 0;
	for (;;) {
		wait_for_input(infd);
		long got = sys_read(infd, (u8 *)requests + have, sizeof requests - have);
		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got;
		have += (u64)got;

		u32 count = (u32)(have / sizeof requests[0]);
		for (u32 i = 0; i < count; i++) {
			int is_wait = requests[i].number == RSYSCALL_OP_EPOLL_WAIT;
			if (results.count && (is_wait || !(requests[i].flags & RSYSCALL_REQUEST_PROMPT))) {
				long sent = send_results(&results);
				if (sent < 0)
					return sent;
			}
			if (is_wait) {
				/* If a part of the next request was read, the rest is on its way: that must not wait. */
				int is_last = have == (i + 1) * sizeof requests[0];
				long sent = answer_epoll_wait(infd, outfd, is_last, &requests[i]);
				if (sent < 0)
					return sent;
				continue;
			}
			results.values[results.count++] = perform(&requests[i]);
		}
		if (results.count) {
			long sent = send_results(&results);
			if (sent < 0)
				return sent;
		}

		have -= count * sizeof requests[0];
		const u8 *rest = (const u8 *)&requests[count];
		for (u64 i = 0; count && i < have; i++)
			((u8 *)requests)[i] = rest[i];
	}
}
