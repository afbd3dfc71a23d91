/* Memory for a server on this host. Its pages come into being when they are touched. */
#include "arena.h"
#include "connect.h"
#include "kernel.h"

#define LARGEST (1ul << 30)
#define SMALLEST (1ul << 20)

/* Whether a file may grow to a size. One that may not is SIGXFSZ for who tries: setrlimit(2). */
static int may_have(u64 size)
{
	u64 limits[2];
	return syscall6(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)limits, 0, 0) == 0 && limits[0] >= size;
}

struct arena make_arena(void)
{
	struct arena arena = {-1, 0, 0};
	if (!may_have(LARGEST))
		return arena;
	long fd = syscall6(SYS_memfd_create, (long)"rsyscall", MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0, 0, 0);
	if (fd < 0)
		return arena;
	for (u64 size = LARGEST; size >= SMALLEST; size /= 2) {
		if (syscall6(SYS_ftruncate, fd, (long)size, 0, 0, 0, 0) < 0)
			continue;
		long start = syscall6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
				      fd, 0);
		if (start < 0 && start >= -4095)
			continue;
		/* Or the server would get a SIGBUS from whoever made the file smaller. */
		if (syscall6(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW, 0, 0, 0) < 0)
			break;
		arena.fd = (int)fd;
		arena.size = size;
		arena.start = (struct rsyscall_ring *)start;
		return arena;
	}
	sys_close((int)fd);
	return arena;
}

void drop_arena(struct arena *arena)
{
	if (arena->size)
		syscall6(SYS_munmap, (long)arena->start, (long)arena->size, 0, 0, 0, 0);
	arena->size = 0;
	arena->start = 0;
}
