/* The system call server: one loop that lets somebody else decide what this task does next.
 *
 * Runs in a stub, and in children that share an address space with a foreign runtime. So it uses no
 * libc, no thread-local storage and no global state: everything is on the stack it was given. */
#include "rsyscall/server.h"
#include "kernel.h"
#include "rsyscall/child.h"

#define BATCH 64

struct results {
	int fd;
	u32 count;
	i64 values[BATCH];
};

static long send_all(int fd, const u8 *from, u64 length)
{
	/* Sent in place of memory that is not there, so that the other side keeps its place. */
	static const u8 zeros[64];
	u64 done = 0;
	long fault = 0;
	while (done < length) {
		u64 rest = length - done;
		long sent = fault ? sys_send(fd, zeros, rest < sizeof zeros ? rest : sizeof zeros)
				  : sys_send(fd, from + done, rest);
		if (sent >= 0)
			done += (u64)sent;
		else if (sent == -EFAULT && !fault)
			fault = sent;
		else if (sent != -EINTR)
			return sent;
	}
	return fault ? fault : (long)length;
}

static long recv_all(int fd, u8 *to, u64 length)
{
	u64 done = 0;
	while (done < length) {
		long received = sys_recv(fd, to + done, length - done);
		if (received > 0)
			done += (u64)received;
		else if (received == 0)
			return -EPIPE;
		else if (received != -EINTR)
			return received;
	}
	return (long)length;
}

long rsyscall_operation(u32 number, const u64 a[6])
{
	switch (number) {
	case RSYSCALL_OP_SEND_ALL:
		return send_all((int)a[0], (const u8 *)a[1], a[2]);
	case RSYSCALL_OP_RECV_ALL:
		return recv_all((int)a[0], (u8 *)a[1], a[2]);
	case RSYSCALL_OP_CLONE:
		return rsyscall_clone((const struct rsyscall_clone_args *)a[0], (struct rsyscall_child *)a[1]);
	case RSYSCALL_OP_COPY:
		copy_memory((void *)a[0], (const void *)a[1], a[2]);
		return 0;
	default:
		return -ENOSYS;
	}
}

long rsyscall_perform(const struct rsyscall_request *request)
{
	const u64 *a = request->args;
	if (request->number >= RSYSCALL_OP_FIRST)
		return rsyscall_operation(request->number, a);
	return syscall6((long)request->number, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4],
			(long)a[5]);
}

static long flush(struct results *results)
{
	long sent = send_all(results->fd, (const u8 *)results->values, results->count * sizeof(i64));
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
