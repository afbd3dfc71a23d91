/* How a process ends that its controller does not end, and what it prints then. */
#ifndef RSYSCALL_ENDING_H
#define RSYSCALL_ENDING_H

#include "kernel.h"

/* The syscall socket and the lifeline close together, and the process may notice either one first. */
#define CONTROLLER_GONE "the controller disconnected without giving an exit status"

/* Exit statuses of a task, besides RSYSCALL_STATUS_UNAVAILABLE */
#define STATUS_FAILED 1
#define STATUS_USAGE 2
#define STATUS_IO_ERROR 74 /* EX_IOERR of <sysexits.h> */

/* The signal that the kernel sends when the lifeline closes. It is the last real-time signal, because programs are
 * least likely to use that one. */
#define LIFELINE_SIGNAL SIGRTMAX

/* Sets the name that messages begin with: the last part of argv[0]. Without it they begin with "rsyscall". */
void set_program_name(const char *argv0);

/* Prints "NAME: rsyscall: WHAT SUBJECT: reason" on stderr, unless that would block. The subject and the error (an
 * errno) may be 0. */
void print_error(const char *what, const char *subject, long error);

/* Prints an error and exits with RSYSCALL_STATUS_UNAVAILABLE, or with the given status. */
__attribute__((noreturn)) void fail(const char *what, const char *subject, long error);
__attribute__((noreturn)) void fail_with(int status, const char *what, const char *subject, long error);

/* Has the process fail when the other end of the lifeline closes, even inside a system call that blocks: the kernel
 * sends a signal. */
void watch_lifeline(int lifeline);

/* As watch_lifeline, but calls a signal handler instead. The handler may be called without reason: it must ask
 * lifeline_has_closed. */
void watch_lifeline_with(int lifeline, signal_handler *handler);
int lifeline_has_closed(int lifeline);

/* Installs a signal handler and unblocks the signal. */
void handle_signal(int signal, signal_handler *handler);

/* Whether a signal is ignored. */
int is_ignored(int signal);

#endif
