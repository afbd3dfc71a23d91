/* A client of a Unix socket, in a process of its own: the server's event loop must not run it as well.
 *   client echo CPU PATH COUNT
 *     nanoseconds of COUNT messages of 64 bytes there and back, on one connection; a line each.
 *   client connect CPU PATH COUNT
 *     nanoseconds of COUNT connections, each from connect until the server has closed it; a line each. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "pin.h"

#define MESSAGE 64

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int connected(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		fail("client: connect");
	return fd;
}

static void echo(int fd)
{
	char bytes[MESSAGE] = {1};
	if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) != sizeof bytes)
		fail("client: send");
	if (recv(fd, bytes, sizeof bytes, MSG_WAITALL) != sizeof bytes)
		fail("client: recv");
}

static void connection(const char *path)
{
	char byte;
	int fd = connected(path);
	if (recv(fd, &byte, 1, 0) != 0)
		fail("client: the server has not closed the connection");
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: client echo|connect CPU PATH COUNT\n");
		return 64;
	}
	pin(argv[2]);
	int is_echo = strcmp(argv[1], "echo") == 0;
	int fd = is_echo ? connected(argv[3]) : -1;
	if (is_echo)
		echo(fd); /* The server has accepted. */
	for (long count = atol(argv[4]); count > 0; count--) {
		long long start = now();
		if (is_echo)
			echo(fd);
		else
			connection(argv[3]);
		printf("%lld\n", now() - start);
	}
	return 0;
}
