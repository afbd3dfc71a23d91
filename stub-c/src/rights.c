/* Rights that a program must not give to its server, because its caller's user lacks them. */
#include "rights.h"
#include "ending.h"
#include "sys.h"

static u32 mode_of(const char *path)
{
	struct statx status = {0};
	return sys_statx(path, STATX_MODE, &status) < 0 ? 0 : status.mode;
}

/* AT_SECURE says only that the process has such rights. If they are the caller's, its effective ids differ from the
 * real ones. If they come from the file, its mode shows that, or the ids are equal (capabilities). A file whose mode
 * is unknown is refused. */
void refuse_rights_of_file(const struct launch *launch)
{
	if (!launch->is_secure)
		return;
	u32 mode = mode_of("/proc/self/exe");
	if (!mode && launch->execfn)
		mode = mode_of(launch->execfn);
	int has_own_ids = sys_getuid() == sys_geteuid() && sys_getgid() == sys_getegid();
	if (!mode || mode & (S_ISUID | S_ISGID) || has_own_ids)
		fail("refuses the rights that its file gives it (set-user-ID, set-group-ID or capabilities):",
		     launch->execfn ? launch->execfn : "remove them", 0);
}

int may_trust_server(int fd, const struct launch *launch)
{
	u32 peer = peer_uid(fd);
	u32 real = sys_getuid(), effective = sys_geteuid();
	if (peer == 0)
		return 1;
	return launch->is_secure ? peer == effective && peer != real : peer == effective || peer == real;
}
