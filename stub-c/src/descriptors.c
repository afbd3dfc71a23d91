#include "rsyscall/descriptors.h"
#include "sys.h"

static int parse_number(const char *digits)
{
	int number = 0;
	for (; *digits; digits++)
		number = number * 10 + (*digits - '0');
	return number;
}

/* A descriptor may be closed while the list is read: procfs continues from the last number. */
long rsyscall_each_fd(int (*visit)(void *context, int fd), void *context)
{
	char buffer[1024];
	const struct dirent *entry;
	int stopped = 0;
	int directory = sys_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return directory;
	long got;
	while (!stopped && (got = sys_getdents64(directory, buffer, sizeof buffer)) > 0)
		for (long at = 0; at < got && !stopped; at += entry->length) {
			entry = (const void *)(buffer + at);
			if (entry->name[0] == '.')
				continue;
			int fd = parse_number(entry->name);
			if (fd != directory)
				stopped = visit(context, fd);
		}
	sys_close(directory);
	return stopped ? stopped : got;
}

static int close_in_range(void *context, int fd)
{
	const u32 *range = context;
	if ((u32)fd >= range[0] && (u32)fd <= range[1])
		sys_close(fd);
	return 0;
}

void rsyscall_close_range(u32 first, u32 last)
{
	u32 range[] = {first, last};
	struct rlimit limit;
	int result = sys_close_range(first, last);
	/* Old seccomp profiles refuse unknown calls with either. */
	if ((result != -ENOSYS && result != -EPERM) || rsyscall_each_fd(close_in_range, range) == 0)
		return;
	/* Without /proc: all numbers that the limit allows. */
	if (sys_getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	for (u64 fd = first; fd <= last && fd < limit.current; fd++)
		sys_close((int)fd);
}
