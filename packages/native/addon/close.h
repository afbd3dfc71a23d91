#ifndef RSYSCALL_CLOSE_H
#define RSYSCALL_CLOSE_H

/* close(2) that does not block the calling thread, whatever other processes have put into the file. The number is free
 * when it returns. Returns 0 or -errno. */
long rsyscall_close(int fd);

#endif
