/* Launches a program COUNT times, PARALLEL at a time, and prints for each a line with its pid, when posix_spawn was
 * called, and when waitpid returned. Every one must exit with STATUS: what failed is not to be measured. Its stdout is
 * /dev/null.
 *   launch COUNT STATUS PARALLEL PROGRAM */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "clock.h"

extern char **environ;

struct launched {
	pid_t pid;
	long long start;
};

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: launch COUNT STATUS PARALLEL PROGRAM\n");
		return 64;
	}
	int expected = atoi(argv[2]);
	long left = atol(argv[1]), parallel = atol(argv[3]), running = 0;
	struct launched *slots = calloc((size_t)parallel, sizeof *slots);
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
	while (left > 0 || running > 0) {
		int status;
		for (long i = 0; i < parallel && left > 0; i++)
			if (slots[i].pid == 0) {
				slots[i].start = now();
				if (posix_spawn(&slots[i].pid, argv[4], &actions, NULL, argv + 4, environ) != 0)
					return 1;
				left--;
				running++;
			}
		pid_t pid = waitpid(-1, &status, 0);
		long long end = now();
		if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
			fprintf(stderr, "launch: %s ended with wait status %#x, not exit %d\n", argv[4],
				(unsigned)status, expected);
			return 1;
		}
		for (long i = 0; i < parallel; i++)
			if (slots[i].pid == pid) {
				printf("%d %lld %lld\n", pid, slots[i].start, end);
				slots[i].pid = 0;
				running--;
			}
	}
	return 0;
}
