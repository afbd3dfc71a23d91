/* The floor of remote calls: two C processes and a socket pair, doing the least.
 *   pair calls COUNT DEPTH CPU CPU PAUSE
 *     nanoseconds of COUNT rounds of DEPTH requests of 56 bytes, each answered with 8 bytes after a
 *     getpid; per request, a line a round. Before each round the client sleeps for PAUSE microseconds.
 * The client runs on the first CPU, the server on the second: a wake-up across CPUs costs several
 * times what it costs on one, and only alike compares with alike. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "pin.h"

#define REQUEST 56
#define RESULT 8

static void send_all(int fd, const char *from, size_t length)
{
	while (length) {
		ssize_t sent = send(fd, from, length, MSG_NOSIGNAL);
		if (sent <= 0)
			_exit(1);
		from += sent;
		length -= (size_t)sent;
	}
}

static int recv_all(int fd, char *to, size_t length)
{
	while (length) {
		ssize_t got = recv(fd, to, length, 0);
		if (got <= 0)
			return 0;
		to += got;
		length -= (size_t)got;
	}
	return 1;
}

static void serve_calls(int fd)
{
	char request[REQUEST];
	while (recv_all(fd, request, sizeof request)) {
		long result = syscall(SYS_getpid);
		send_all(fd, (char *)&result, sizeof result);
	}
}

int main(int argc, char **argv)
{
	int fds[2];
	if (argc != 7 || strcmp(argv[1], "calls") != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) {
		fprintf(stderr, "usage: pair calls COUNT DEPTH CPU CPU PAUSE\n");
		return 64;
	}
	long count = atol(argv[2]);
	size_t depth = (size_t)atol(argv[3]);
	useconds_t pause = (useconds_t)atol(argv[6]);
	if (fork() == 0) {
		close(fds[0]);
		pin(argv[5]);
		serve_calls(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	pin(argv[4]);
	char *bytes = calloc(depth, REQUEST);
	for (long i = 0; i < count; i++) {
		if (pause)
			usleep(pause);
		long long start = now();
		send_all(fds[0], bytes, depth * REQUEST);
		if (!recv_all(fds[0], bytes, depth * RESULT)) {
			fprintf(stderr, "pair: the server is gone\n");
			return 1;
		}
		printf("%.1f\n", (double)(now() - start) / (double)depth);
	}
	close(fds[0]);
	wait(NULL);
	return 0;
}
