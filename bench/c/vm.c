/* The floor of memory into another process and back.
 *   vm kept|fresh ROUNDS BYTES
 *     nanoseconds, a line a round: process_vm_writev and process_vm_readv of so many bytes, into memory that is kept or
 *     that is mapped for each round and unmapped */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

int main(int argc, char **argv)
{
	if (argc != 4)
		return 64;
	int is_fresh = strcmp(argv[1], "fresh") == 0;
	size_t size = strtoul(argv[3], 0, 10);
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
	struct iovec here = {ours, size}, there = {theirs, size}, back = here;
	for (long rounds = atol(argv[2]); rounds > 0; rounds--) {
		long long start = now();
		if (is_fresh)
			back.iov_base = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (process_vm_writev(pid, &here, 1, &there, 1, 0) != (ssize_t)size ||
		    process_vm_readv(pid, &back, 1, &there, 1, 0) != (ssize_t)size)
			return 1;
		if (is_fresh)
			munmap(back.iov_base, size);
		printf("%lld\n", now() - start);
	}
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
	return 0;
}
