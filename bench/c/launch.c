/* Launches a program COUNT times, one after the other, and prints for each a line with its pid, when
 * posix_spawn was called, and when waitpid returned.
 *   launch COUNT PROGRAM */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "clock.h"

extern char **environ;

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: launch COUNT PROGRAM\n");
		return 64;
	}
	for (long i = atol(argv[1]); i > 0; i--) {
		pid_t pid;
		long long start = now();
		if (posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ) != 0)
			return 1;
		waitpid(pid, NULL, 0);
		printf("%d %lld %lld\n", pid, start, now());
	}
	return 0;
}
