/** Where lseek(2) counts from. */
export const SEEK = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;

/** What access(2) asks for; `F` is mere existence. */
export const ACCESS = { F: 0, X: 1, W: 2, R: 4 } as const;
