import timers from "node:timers";

/** Node's own: those of the test may be fake, or those of a browser. */
export const { setTimeout, clearTimeout } = timers;
