/* How the stream ends. */
#ifndef RSYSCALL_MUX_END_H
#define RSYSCALL_MUX_END_H

/* Ends the children, and this process. The sockets of the channels close with it. */
__attribute__((noreturn)) void end_stream(int status);

/* The same, with an error message, because the kernel refuses something. */
__attribute__((noreturn)) void fail_stream(const char *what, long error);

/* The same, because the near side broke the protocol. */
__attribute__((noreturn)) void fail_broken(const char *why);

#endif
