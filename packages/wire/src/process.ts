/**
 * The exit status of a stub or task to which no other status was given: EX_UNAVAILABLE of sysexits.h. It is not 0, so
 * that a caller does not believe that its program has succeeded. See stub-c/include/rsyscall/server.h.
 */
export const STATUS_UNAVAILABLE = 69;
