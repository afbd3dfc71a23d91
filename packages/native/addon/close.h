#ifndef RSYSCALL_CLOSE_H
#define RSYSCALL_CLOSE_H

/* close(2) that does not block the calling thread, for any state that other processes have given the file. The number is free
 * when it returns. Returns 0 or -errno. */
long rsyscall_close(int fd);

#endif
