/* The floor of bytes out of a pipe: a program writes, and C reads.
 *   pipe ROUNDS MIB
 *     nanoseconds per MiB, a line a round: `head -c` of MIB MiB of /dev/zero into a pipe, which is read
 *     64 KiB at a time, from before the program is started to its end. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "clock.h"

extern char **environ;

static long long round_of(long mib)
{
	static char chunk[65536];
	char size[32];
	char *argv[] = {"head", "-c", size, "/dev/zero", 0};
	int ends[2];
	pid_t pid;
	posix_spawn_file_actions_t actions;
	long long start = now(), left = (long long)mib << 20;
	snprintf(size, sizeof size, "%lld", left);
	if (pipe2(ends, O_CLOEXEC))
		exit(1);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	if (posix_spawn(&pid, "/usr/bin/head", &actions, 0, argv, environ))
		exit(1);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	for (ssize_t got; (got = read(ends[0], chunk, sizeof chunk)) > 0;)
		left -= got;
	close(ends[0]);
	waitpid(pid, 0, 0);
	if (left)
		exit(1);
	return (now() - start) / mib;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 64;
	for (long rounds = atol(argv[1]); rounds > 0; rounds--)
		printf("%lld\n", round_of(atol(argv[2])));
	return 0;
}
