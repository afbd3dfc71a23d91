/** Why a call could not be answered by the thread of the test. */
export const blocked = (limit: number): string =>
  `the thread of the test did not answer within ${limit} ms: it is blocked, as by execFileSync, or busy. ` +
  "Run the program without blocking (execFile, m.run), or reply without a function, or by a handler in a module; where it is busy, raise blockedLimit";
