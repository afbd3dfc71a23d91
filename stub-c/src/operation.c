/* What a server performs: system calls, and the operations that are none. */
#include "kernel.h"
#include "rsyscall/child.h"
#include "rsyscall/server.h"

long rsyscall_send_all(int fd, const void *from, u64 length)
{
	/* Sent in place of memory that is not there, so that the other side keeps its place. */
	static const u8 zeros[64];
	u64 done = 0;
	long fault = 0;
	while (done < length) {
		u64 rest = length - done;
		long sent = fault ? sys_send(fd, zeros, rest < sizeof zeros ? rest : sizeof zeros)
				  : sys_send(fd, (const u8 *)from + done, rest);
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

/* By the kernel, which answers EFAULT where a copy of our own would end the process. It may stop at
 * 2 GiB, or be forbidden by a filter of system calls. */
static long copy(u8 *to, const u8 *from, u64 length)
{
	long pid = syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	while (length) {
		struct iovec target = {to, length}, source = {from, length};
		long copied = syscall6(SYS_process_vm_readv, pid, (long)&target, 1, (long)&source, 1, 0);
		if (copied == -EFAULT || copied == 0)
			return -EFAULT;
		if (copied < 0) {
			copy_memory(to, from, length);
			return 0;
		}
		to += copied;
		from += copied;
		length -= (u64)copied;
	}
	return 0;
}

/* The server's own socket is what wakes it when others want something of it. A request that was read
 * already does not: that is why this is no system call that anybody could make. */
long rsyscall_epoll_wait(int infd, int may_sleep, const u64 a[6], void *events)
{
	long most = a[1] < RSYSCALL_EVENTS_AT_MOST ? (long)a[1] : RSYSCALL_EVENTS_AT_MOST;
	for (;;) {
		long count = syscall6(SYS_epoll_pwait, (int)a[0], (long)events, most, 0, 0, 8);
		if (count || !may_sleep)
			return count;
		struct pollfd polls[] = {{infd, POLLIN, 0}, {(int)a[0], POLLIN, 0}};
		long ready = sys_ppoll(polls, 2, 0);
		if (ready < 0 && ready != -EINTR)
			return ready;
		/* If it is the epoll instance that has woken us, and what it had is gone, we sleep on. */
		may_sleep = ready < 0 || !polls[0].revents;
	}
}

long rsyscall_operation(u32 number, const u64 a[6])
{
	switch (number) {
	case RSYSCALL_OP_SEND_ALL:
		return rsyscall_send_all((int)a[0], (const void *)a[1], a[2]);
	case RSYSCALL_OP_RECV_ALL:
		return recv_all((int)a[0], (u8 *)a[1], a[2]);
	case RSYSCALL_OP_CLONE:
		return rsyscall_clone((const struct rsyscall_clone_args *)a[0], (struct rsyscall_child *)a[1]);
	case RSYSCALL_OP_COPY:
		return copy((u8 *)a[0], (const u8 *)a[1], a[2]);
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
