/* The pages of an arena are allocated when they are touched. */
#include "arena.h"
#include "sys.h"

#define LARGEST (1ul << 30)
#define SMALLEST (1ul << 20)

/* Whether a file may grow to a size. Otherwise ftruncate(2) would raise SIGXFSZ: setrlimit(2). */
static int may_grow_file(u64 size)
{
	struct rlimit limit;
	return sys_getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.current >= size;
}

struct arena make_arena(void)
{
	struct arena arena = {-1, 0, 0};
	if (!may_grow_file(LARGEST))
		return arena;
	int fd = sys_memfd_create("rsyscall", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return arena;
	for (u64 size = LARGEST; size >= SMALLEST; size /= 2) {
		if (sys_ftruncate(fd, size) < 0)
			continue;
		long start = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd);
		if (is_error(start))
			continue;
		/* A file that can shrink would end the controller by SIGBUS. */
		if (sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
			break;
		arena.fd = fd;
		arena.size = size;
		arena.start = (struct rsyscall_ring *)start;
		return arena;
	}
	sys_close(fd);
	return arena;
}

void unmap_arena(struct arena *arena)
{
	if (arena->size)
		sys_munmap(arena->start, arena->size);
	arena->size = 0;
	arena->start = 0;
}
