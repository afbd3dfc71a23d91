/** Flags of renameat2(2). See rename(2). */
export const RENAME = {
  /** EEXIST if there is a file of the new name. */
  NOREPLACE: 1,
  /** Both files get the name of the other. */
  EXCHANGE: 2,
  /** Leaves a whiteout, which overlay file systems have for files that are deleted. */
  WHITEOUT: 4,
} as const;
