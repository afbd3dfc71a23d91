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
			if (results.count && !(requests[i].flags & RSYSCALL_REQUEST_PROMPT)) {
				long sent = flush(&results);
				if (sent < 0)
					return sent;
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
