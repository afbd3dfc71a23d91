/* Starts a program many times, and waits until all of them have ended.
 *   herd COUNT PATH */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: herd COUNT PATH\n");
		return 64;
	}
	for (long i = atol(argv[1]); i > 0; i--) {
		pid_t pid;
		if (posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ) != 0) {
			perror("herd: posix_spawn");
			return 1;
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
