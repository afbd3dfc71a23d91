#ifndef RSYSCALL_CLEANUP_H
#define RSYSCALL_CLEANUP_H

#include <node_api.h>

/* What happens to a descriptor when the environment that has opened it ends: the main thread of Node, or a worker. The
 * process continues after the end of a worker, with all descriptors. Bits of a byte. */
enum {
	RSYSCALL_CLOSE = 1, /* close(2) */
	RSYSCALL_KILL = 2,  /* the descriptor is the pidfd of a child: send SIGKILL and wait for it */
};

/* Descriptors from this number on stay open until the process ends. */
enum { RSYSCALL_CLEANUP_FDS = 1 << 20 };

/* Notes which descriptors a system call has opened or closed, before JavaScript learns the result: JavaScript may be
 * ended at any point. At the end of the environment they are closed, unless the program says otherwise in the table.
 * Node does the same with what fs.open has opened in a worker. */
void rsyscall_cleanup_note(unsigned char *at_end, const long word[7], long result);

/* Notes a child that must not outlive this environment. */
void rsyscall_cleanup_note_child(unsigned char *at_end, int pidfd);

/* Makes the table of an environment: one byte for each descriptor, by its number. NULL if there is no memory. */
unsigned char *rsyscall_cleanup_table(napi_env env);

#endif
