/* The floor of memory into another process and back.
 *   vm ROUNDS BYTES
 *     nanoseconds, a line a round: process_vm_writev and process_vm_readv of so many bytes */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

int main(int argc, char **argv)
{
	if (argc != 3)
		return 64;
	size_t size = strtoul(argv[2], 0, 10);
	char *ours = malloc(size), *theirs = malloc(size);
	if (!ours || !theirs)
		return 1;
	memset(ours, 1, size);
	memset(theirs, 2, size);
	pid_t pid = fork();
	if (pid == 0) {
		/* Pages of its own. */
		memset(theirs, 3, size);
		for (;;)
			pause();
	}
	struct iovec here = {ours, size}, there = {theirs, size};
	for (long rounds = atol(argv[1]); rounds > 0; rounds--) {
		long long start = now();
		if (process_vm_writev(pid, &here, 1, &there, 1, 0) != (ssize_t)size ||
		    process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)size)
			return 1;
		printf("%lld\n", now() - start);
	}
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
	return 0;
}
