/** What the problem of a call says, when a predicate of a rule has thrown. */
export const predicateFailure = (message: string): string => `a predicate has failed: ${message}`;
