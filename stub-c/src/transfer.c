#include "rsyscall/transfer.h"
#include "sys.h"

long rsyscall_send_all(int fd, const void *from, u64 length)
{
	static const u8 zeros[64];
	u64 done = 0;
	long fault = 0;
	while (done < length) {
		u64 rest = length - done;
		long sent = fault ? sys_send(fd, zeros, rest < sizeof zeros ? rest : sizeof zeros, 0)
				  : sys_send(fd, (const u8 *)from + done, rest, 0);
		if (sent >= 0)
			done += (u64)sent;
		else if (sent == -EFAULT && !fault)
			fault = sent;
		else if (sent != -EINTR)
			return sent;
	}
	return fault ? fault : (long)length;
}

long rsyscall_recv_all(int fd, void *to, u64 length)
{
	u64 done = 0;
	while (done < length) {
		long received = sys_recv(fd, (u8 *)to + done, length - done, MSG_WAITALL);
		if (received > 0)
			done += (u64)received;
		else if (received == 0)
			return -EPIPE;
		else if (received != -EINTR)
			return received;
	}
	return (long)length;
}
