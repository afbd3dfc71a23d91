/* Programs that execute others in unusual ways, for ExecWatch.test.ts. Static and at a fixed address, so that its data is
 * within the reach of 32-bit pointers.
 *   caller HOW PROGRAM */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char path[4096];
static char *const argv_of_path[] = {path, "an argument", NULL};
static volatile int stop;
static int failure;

static void *exec_here(void *arg)
{
	(void)arg;
	execv(path, argv_of_path);
	failure = errno;
	return NULL;
}

static void *flip(void *arg)
{
	(void)arg;
	while (!stop)
		path[0] ^= '/' ^ '.';
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	if (argc != 3)
		return 64;
	const char *how = argv[1];
	strncpy(path, argv[2], sizeof path - 1);
	if (!strcmp(how, "plain")) {
		execv(path, argv_of_path);
	} else if (!strcmp(how, "thread")) {
		pthread_create(&thread, NULL, exec_here, NULL);
		pthread_join(thread, NULL);
		errno = failure;
	} else if (!strcmp(how, "fd")) {
		syscall(SYS_execveat, open(path, O_PATH | O_CLOEXEC), "", argv_of_path, NULL, AT_EMPTY_PATH);
	} else if (!strcmp(how, "dirfd")) {
		syscall(SYS_execveat, open("/usr", O_PATH | O_CLOEXEC), "bin/true", argv_of_path, NULL, 0);
	} else if (!strcmp(how, "pages")) {
		/* A long argument over many pages. */
		char *text = malloc(100000);
		memset(text, 'x', 99999);
		text[99999] = 0;
		char *args[] = {path, text, "end", NULL};
		execv(path, args);
#ifdef __x86_64__
	} else if (!strcmp(how, "i386")) {
		static unsigned pointers[3];
		long result;
		pointers[0] = (unsigned)(unsigned long)path;
		pointers[1] = (unsigned)(unsigned long)"of 32 bits";
		__asm__ volatile("int $0x80"
				 : "=a"(result)
				 : "a"(11), "b"(path), "c"(pointers), "d"(0)
				 : "memory", "r8", "r9", "r10", "r11");
		errno = (int)-result;
#endif
	} else if (!strcmp(how, "nowhere")) {
		syscall(SYS_execve, 8, 16, 24);
		syscall(SYS_execve, path, 16, 0);
		syscall(SYS_execve, path, ~0UL, 0);
		char *args[] = {(char *)8, NULL};
		syscall(SYS_execve, path, args, 0);
		return 7;
	} else if (!strcmp(how, "endless")) {
		/* argv without an end, all of it one string. */
		size_t count = 4 << 20;
		char **args =
			mmap(NULL, count * sizeof *args, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; i < count; i++)
			args[i] = path;
		execv(path, args);
		return errno == EFAULT || errno == E2BIG ? 7 : 8;
	} else if (!strcmp(how, "long")) {
		/* A string of 64 MiB. */
		size_t size = 64 << 20;
		char *text = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(text, 'x', size);
		char *args[] = {path, text, NULL};
		execv(path, args);
		return errno == E2BIG ? 7 : 8;
	} else if (!strcmp(how, "flip")) {
		/* The path changes all the time; neither of the two is there. */
		pthread_create(&thread, NULL, flip, NULL);
		for (int i = 0; i < 200; i++)
			execv(path, argv_of_path);
		stop = 1;
		return 7;
	}
	fprintf(stderr, "%s: %m\n", how);
	return errno == EACCES ? 77 : 1;
}
