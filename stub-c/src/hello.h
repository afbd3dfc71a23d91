/* The handshake: this process describes itself, and the controller accepts or refuses it. */
#ifndef RSYSCALL_HELLO_H
#define RSYSCALL_HELLO_H

#include "arena.h"
#include "kernel.h"

/* What the kernel gave this program at its start. */
struct launch {
	char **argv;
	char **environment;
	const char *execfn; /* the path that was executed (AT_EXECFN), or 0 */
	u32 page_size;
	int is_secure; /* AT_SECURE: it has got rights that its caller has not */
};

/* Numbers of the descriptors that are ours and not the caller's. */
struct control_fds {
	int handshake, syscall, data, connection, lifeline;
	int listening; /* -1: it does not listen */
};

/* Why the handshake failed, with the arguments of `fail`. */
struct problem {
	const char *what;
	char subject[256];
	long error;
};

/* Welcomes that a process takes besides RSYSCALL_ACCEPTED, as bits of `answers` of the hello. */
#define NO_ANSWERS 0
#define ALL_ANSWERS (1u << RSYSCALL_REPLY | 1u << RSYSCALL_EXEC | 1u << RSYSCALL_PROCESSING)

/* The flags of a welcome that are known here. */
#define WELCOME_FLAGS (RSYSCALL_RING | RSYSCALL_KEEP)

/* More open descriptors than this are not listed. */
#define LISTED_FDS_AT_MOST 1024

/* The description of this process. */
struct hello {
	struct rsyscall_hello fixed;
	const struct control_fds *control;
	const struct launch *launch;
	int arena_fd;
	char cwd[PATH_MAX];
	u32 fd_count;
	i32 fds[LISTED_FDS_AT_MOST];
};

void make_hello(struct hello *hello, const struct control_fds *fds, const struct launch *launch,
		const struct arena *arena, u64 answers);

/* Sends a description on the socket of the handshake, with the descriptor of the arena, which is then closed. Returns 0,
 * or -1 and a problem. */
int send_hello(const struct hello *hello, struct arena *arena, struct problem *problem);

/* Waits for the server's welcome, and places the descriptors that come with it. Returns 0, or -1 and a problem. In the
 * latter case the descriptors that came are closed, except those that were placed already. */
int receive_welcome(const struct control_fds *fds, u64 answers, struct rsyscall_welcome *welcome,
		    struct problem *problem);

#endif
