/* The system call server: one loop that lets somebody else decide what this task does next.
 *
 * Runs in a stub, and in children that share an address space with a foreign runtime. So it uses no
 * libc, no thread-local storage and no global state: everything is on the stack it was given. */
#include "rsyscall/server.h"
#include "kernel.h"

#define BATCH 64

struct results {
	int fd;
	u32 count;
	i64 values[BATCH];
};

static long flush(struct results *results)
{
	long sent = rsyscall_send_all(results->fd, results->values, results->count * sizeof(i64));
	results->count = 0;
	return sent;
}

/* Performs an EPOLL_WAIT. Its events go out with the result: to fetch them would be a request more, and
 * one that is made before the result is there would end the wait. */
static long answer_epoll_wait(int infd, int outfd, int may_sleep, const struct rsyscall_request *request)
{
	struct {
		i64 result;
		u8 events[RSYSCALL_EVENTS_AT_MOST * EPOLL_EVENT_SIZE];
	} answer;
	answer.result = rsyscall_epoll_wait(infd, may_sleep, request->args, answer.events);
	u64 count = answer.result > 0 ? (u64)answer.result : 0;
	return rsyscall_send_all(outfd, &answer, sizeof answer.result + count * EPOLL_EVENT_SIZE);
}

long rsyscall_server(int infd, int outfd)
{
	struct rsyscall_request requests[BATCH];
	struct results results;
	u64 have = 0; /* bytes of requests that were read and not yet performed */

	results.fd = outfd;
	results.count = 0;
	for (;;) {
		sys_await_input(infd);
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
				long sent = flush(&results);
				if (sent < 0)
					return sent;
			}
			if (is_wait) {
				/* Part of a request is as good as one: the rest is on its way. */
				int is_last = have == (i + 1) * sizeof requests[0];
				long sent = answer_epoll_wait(infd, outfd, is_last, &requests[i]);
				if (sent < 0)
					return sent;
				continue;
			}
			results.values[results.count++] = rsyscall_perform(&requests[i]);
		}
		if (results.count) {
			long sent = flush(&results);
			if (sent < 0)
				return sent;
		}

		have -= count * sizeof requests[0];
		const u8 *rest = (const u8 *)&requests[count];
		for (u64 i = 0; count && i < have; i++)
			((u8 *)requests)[i] = rest[i];
	}
}
