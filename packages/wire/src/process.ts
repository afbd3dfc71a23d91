/**
 * The exit status of a process of ours that nothing else gave one: EX_UNAVAILABLE of sysexits.h. Never 0, so that a
 * caller does not believe that its program has done its work. See stub-c/include/rsyscall/server.h.
 */
export const STATUS_UNAVAILABLE = 69;
