#include "rsyscall/operation.h"
#include "rsyscall/child.h"
#include "rsyscall/server.h"
#include "rsyscall/transfer.h"
#include "sys.h"

/* Nanoseconds. The client has just woken this process, which may keep it from the CPU. */
#define WOKEN_SPIN 2000

/* memcpy(3) by the kernel, which returns -EFAULT where a copy of our own would end the process. The kernel may stop
 * after 2 GiB, and a seccomp filter may forbid the call. */
static long copy(u8 *to, const u8 *from, u64 length)
{
	int pid = sys_getpid();
	while (length) {
		struct iovec target = {to, length}, source = {from, length};
		long copied = sys_process_vm_readv(pid, &target, &source);
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

static void run_child(struct rsyscall_child *child)
{
	rsyscall_run_child(child, rsyscall_perform);
}

long rsyscall_operation(u32 number, const u64 args[6])
{
	switch (number) {
	case RSYSCALL_OP_SEND_ALL:
		return rsyscall_send_all((int)args[0], (const void *)args[1], args[2]);
	case RSYSCALL_OP_RECV_ALL:
		return rsyscall_recv_all((int)args[0], (void *)args[1], args[2]);
	case RSYSCALL_OP_CLONE:
		return rsyscall_clone((const struct rsyscall_clone_args *)args[0], (struct rsyscall_child *)args[1],
				      run_child);
	case RSYSCALL_OP_COPY:
		return copy((u8 *)args[0], (const u8 *)args[1], args[2]);
	default:
		return -ENOSYS;
	}
}

long rsyscall_perform(const struct rsyscall_request *request)
{
	const u64 *args = request->args;
	if (request->number >= RSYSCALL_OP_FIRST)
		return rsyscall_operation(request->number, args);
	return syscall6(request->number, (long)args[0], (long)args[1], (long)args[2], (long)args[3], (long)args[4],
			(long)args[5]);
}

long rsyscall_server(int infd, int outfd)
{
	return rsyscall_serve_socket(infd, outfd, rsyscall_perform);
}

long rsyscall_ring_server(int fd, struct rsyscall_ring *ring)
{
	return rsyscall_serve_ring(fd, ring, rsyscall_perform, WOKEN_SPIN);
}
