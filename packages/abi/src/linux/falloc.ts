/** Modes of fallocate(2). */
export const FALLOC_FL = {
  KEEP_SIZE: 0x01,
  PUNCH_HOLE: 0x02,
  COLLAPSE_RANGE: 0x08,
  ZERO_RANGE: 0x10,
  INSERT_RANGE: 0x20,
  UNSHARE_RANGE: 0x40,
  /** Writes zeros, where the device does that by itself. Since Linux 6.17. */
  WRITE_ZEROES: 0x80,
} as const;
