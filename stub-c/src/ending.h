#ifndef RSYSCALL_ENDING_H
#define RSYSCALL_ENDING_H

/* The syscall socket and the lifeline close together, and either may be noticed first. */
#define CONTROLLER_GONE "the controller is gone, and gave no exit status"

/* By which the kernel tells that the lifeline has closed. The last real-time signal: the one that is least likely to
 * mean something to another program. */
#define LIFELINE_SIGNAL 64

/* The name that messages begin with, as programs do: the last part of argv[0]. Without it they begin with
 * "rsyscall". */
void name_program(const char *argv0);

/* Prints "NAME: rsyscall: WHAT SUBJECT: reason" on stderr, if that takes it at once. Subject and error (an errno)
 * may be 0. */
void say(const char *what, const char *subject, long error);

/* Says it and exits. Subject and error (an errno) may be 0. */
__attribute__((noreturn)) void fail(const char *what, const char *subject, long error);
__attribute__((noreturn)) void fail_with(int status, const char *what, const char *subject, long error);

/* Exits like fail, and at once, whatever system call this process is in, when the other end of
 * lifeline closes. The kernel tells it by a signal, which no call can hold back. */
void watch_lifeline(int lifeline);

/* As watch_lifeline, and calls a signal handler of sigaction(2) instead, with SA_SIGINFO. It may be called
 * for nothing: ask lifeline_has_closed. */
void watch_lifeline_with(int lifeline, void (*handler)(int signal, void *info, void *context));
int lifeline_has_closed(int lifeline);

/* Has a signal handler called, whatever the signal's disposition was and whether or not it was blocked. */
void handle_signal(int signal, void (*handler)(int signal, void *info, void *context));

/* Whether a signal is ignored. */
int is_ignored(int signal);

#endif
