/** Flags of setxattr(2). */
export const XATTR = {
  /** EEXIST if there is such an attribute. */
  CREATE: 1,
  /** ENODATA if there is none. */
  REPLACE: 2,
} as const;
