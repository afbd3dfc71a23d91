#ifndef RSYSCALL_BELONGINGS_H
#define RSYSCALL_BELONGINGS_H

#include <node_api.h>

/* What becomes of a descriptor when the environment ends that has opened it: the main thread of Node, or
 * a worker, which leaves the process and its descriptors behind. */
enum {
	RSYSCALL_CLOSE = 1, /* close(2) */
	RSYSCALL_KILL = 2,  /* the pidfd of a child: SIGKILL, and wait for it */
};

/* Descriptors from this number on are left to the end of the process. */
enum { RSYSCALL_BELONGINGS = 1 << 20 };

/* Takes note of what a system call has done to the descriptors: JavaScript may be ended at any point, and so
 * before it knows the result. What it has opened is closed at the end, unless it says otherwise: as what
 * Node's own fs.open has opened in a worker. */
void rsyscall_belongings_note(unsigned char *at_end, const long word[7], long result);

/* A child that is not to outlive this environment. */
void rsyscall_belongings_note_child(unsigned char *at_end, int pidfd);

/* One byte for each descriptor of an environment, by its number. NULL if there is no memory. */
unsigned char *rsyscall_belongings(napi_env env);

#endif
