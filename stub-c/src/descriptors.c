/* Closing many descriptors at once. */
#include "rsyscall/descriptors.h"
#include "kernel.h"

#define RLIMIT_NOFILE 7

/* Those that /proc shows. It is changed while it is read, which procfs allows: it goes by numbers. */
static long close_listed(u32 first, u32 last)
{
	struct {
		u64 inode;
		i64 offset;
		u16 length;
		u8 type;
		char name[];
	} *entry;
	char buffer[1024];
	long got, directory = sys_openat("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return directory;
	while ((got = syscall6(SYS_getdents64, directory, (long)buffer, sizeof buffer, 0, 0, 0)) > 0)
		for (long at = 0; at < got; at += entry->length) {
			u32 fd = 0;
			entry = (void *)(buffer + at);
			if (entry->name[0] == '.')
				continue;
			for (const char *digit = entry->name; *digit; digit++)
				fd = fd * 10 + (u32)(*digit - '0');
			if (fd >= first && fd <= last && fd != (u32)directory)
				sys_close((int)fd);
		}
	sys_close((int)directory);
	return got;
}

void rsyscall_close_range(u32 first, u32 last)
{
	u64 limits[2];
	long result = syscall6(SYS_close_range, first, last, 0, 0, 0, 0);
	/* Old seccomp profiles refuse what they do not know with either. */
	if ((result != -ENOSYS && result != -EPERM) || close_listed(first, last) == 0)
		return;
	/* Without /proc, all that there can be. */
	if (syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)limits, 0, 0) < 0)
		return;
	for (u64 fd = first; fd <= last && fd < limits[0]; fd++)
		sys_close((int)fd);
}
