#ifndef RSYSCALL_CLOSE_H
#define RSYSCALL_CLOSE_H

/* close(2), which never blocks the calling thread for what others have put into the file. The number is free
 * when it returns. Gives 0 or -errno. */
long rsyscall_close(int fd);

#endif
