#include "orphans.h"
#include "sys.h"
#include "text.h"

#define SPARED_AT_MOST 1024
#define PROC_PATH_SIZE 64

/* The numbers of descriptors that are held. */
#define HELD_BELOW 1024

static i32 spared[SPARED_AT_MOST];
static u32 spared_count;

static void spare(i32 pid)
{
	if (spared_count < SPARED_AT_MOST)
		spared[spared_count] = pid;
	spared_count++;
}

static int is_spared(i32 pid)
{
	for (u32 i = 0; i < spared_count; i++)
		if (spared[i] == pid)
			return 1;
	return 0;
}

void forget_spared(i32 pid)
{
	for (u32 i = 0; i < spared_count; i++)
		if (spared[i] == pid)
			spared[i] = spared[--spared_count];
}

static void kill_unless_spared(i32 pid)
{
	/* EPERM: it has changed its user. */
	if (!is_spared(pid))
		sys_kill(pid, SIGKILL);
}

/* Makes "/proc/PID" and something behind it. */
static void proc_path(char path[PROC_PATH_SIZE], i32 pid, const char *rest)
{
	path[0] = 0;
	append(path, PROC_PATH_SIZE, "/proc/");
	append_number(path, PROC_PATH_SIZE, (u64)pid);
	append(path, PROC_PATH_SIZE, rest);
}

/* Calls `use` for each child of a process that has one thread. Returns 0 if they cannot be read: proc_pid_task(5). */
static int for_each_child(i32 pid, void (*use)(i32 child))
{
	char path[PROC_PATH_SIZE], text[1024];
	proc_path(path, pid, "/task/");
	append_number(path, sizeof path, (u64)pid);
	append(path, sizeof path, "/children");
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	u32 child = 0;
	long got;
	while ((got = sys_read(fd, text, sizeof text)) > 0 || got == -EINTR)
		for (long i = 0; i < got; i++)
			if (text[i] >= '0' && text[i] <= '9') {
				child = child * 10 + (u32)(text[i] - '0');
			} else if (child) {
				use((i32)child);
				child = 0;
			}
	sys_close(fd);
	return got == 0;
}

/* Whether /proc shows this process by its own number: otherwise that of another process would mean a third one there. */
static int proc_is_ours(void)
{
	char own[PROC_PATH_SIZE], self[PROC_PATH_SIZE] = "/proc/";
	u64 start = length_of(self);
	long length = sys_readlink("/proc/self", self + start, sizeof self - start - 1);
	if (length <= 0)
		return 0;
	self[start + (u64)length] = 0;
	proc_path(own, sys_getpid(), "");
	return starts_with(own, self) && starts_with(self, own);
}

static int executes(i32 pid, const struct stat *program)
{
	char path[PROC_PATH_SIZE];
	struct stat other;
	proc_path(path, pid, "/exe");
	return sys_stat(path, &other) == 0 && other.device == program->device && other.inode == program->inode;
}

/* Duplicates the descriptors of a process, as far as the kernel lets it: pidfd_getfd(2). */
static void hold_descriptors(i32 pid)
{
	int pidfd = sys_pidfd_open(pid);
	for (int fd = 0; pidfd >= 0 && fd < HELD_BELOW; fd++)
		sys_pidfd_getfd(pidfd, fd);
}

int spare_known(void)
{
	struct stat own;
	if (!proc_is_ours() || sys_stat("/proc/self/exe", &own) < 0 || !for_each_child(sys_getpid(), spare))
		return 0;
	/* The array is the queue of those whose children are still to be noted. One that cannot be read has ended. */
	for (u32 i = 0; i < spared_count && spared_count <= SPARED_AT_MOST; i++)
		if (executes(spared[i], &own)) {
			hold_descriptors(spared[i]);
			for_each_child(spared[i], spare);
		}
	if (spared_count <= SPARED_AT_MOST)
		return 1;
	spared_count = 0;
	return 0;
}

void kill_orphans(void)
{
	for_each_child(sys_getpid(), kill_unless_spared);
}
