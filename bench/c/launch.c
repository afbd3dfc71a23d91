/* Launches a program COUNT times, one after the other, and prints for each a line with its pid, when
 * posix_spawn was called, and when waitpid returned. Every one must exit with STATUS: what failed is
 * not to be measured.
 *   launch COUNT STATUS PROGRAM */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "clock.h"

extern char **environ;

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: launch COUNT STATUS PROGRAM\n");
		return 64;
	}
	int expected = atoi(argv[2]);
	for (long i = atol(argv[1]); i > 0; i--) {
		pid_t pid;
		int status;
		long long start = now();
		if (posix_spawn(&pid, argv[3], NULL, NULL, argv + 3, environ) != 0)
			return 1;
		if (waitpid(pid, &status, 0) != pid)
			return 1;
		long long end = now();
		if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
			fprintf(stderr, "launch: %s ended with wait status %#x, not exit %d\n", argv[3],
				(unsigned)status, expected);
			return 1;
		}
		printf("%d %lld %lld\n", pid, start, end);
	}
	return 0;
}
