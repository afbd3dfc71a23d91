/* What a program must not hand on: rights that its caller has not. */
#include "rights.h"
#include "ending.h"
#include "kernel.h"

#define STATX_MODE 0x2
#define S_ISUID 04000
#define S_ISGID 02000

/* struct statx, which is the same on every machine. */
struct statx {
	u32 mask, block_size;
	u64 attributes;
	u32 links, uid, gid;
	u16 mode, unused[1];
	u64 others[28];
};

_Static_assert(sizeof(struct statx) == 256, "statx");

static u32 mode_of(const char *path)
{
	struct statx status = {0};
	long result = syscall6(SYS_statx, AT_FDCWD, (long)path, 0, STATX_MODE, (long)&status, 0);
	return result < 0 ? 0 : status.mode;
}

static u32 id(long number)
{
	return (u32)syscall6(number, 0, 0, 0, 0, 0, 0);
}

/* The kernel says only that there are such rights. They may be the caller's own, which has other effective ids than
 * real ones; capabilities of the file leave the ids alone. What cannot be asked about the file is held against it. */
void refuse_rights_of_file(const struct launch *launch)
{
	if (!launch->is_secure)
		return;
	u32 mode = mode_of("/proc/self/exe");
	if (!mode && launch->execfn)
		mode = mode_of(launch->execfn);
	if (!mode || mode & (S_ISUID | S_ISGID) || (id(SYS_getuid) == id(SYS_geteuid) && id(SYS_getgid) == id(SYS_getegid)))
		fail("refuses the rights that its file gives it (set-user-ID, set-group-ID or capabilities):",
		     launch->execfn ? launch->execfn : "remove them", 0);
}

int may_obey(int fd, const struct launch *launch)
{
	u32 peer = sys_peer_uid(fd);
	u32 real = id(SYS_getuid), effective = id(SYS_geteuid);
	if (peer == 0)
		return 1;
	return launch->is_secure ? peer == effective && peer != real : peer == effective || peer == real;
}
