/** Timers of setitimer(2), and their signals: SIGALRM, SIGVTALRM, SIGPROF. */
export const ITIMER = { REAL: 0, VIRTUAL: 1, PROF: 2 } as const;
