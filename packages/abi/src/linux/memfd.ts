import { hugeSizes } from "../hugeSizes.ts";

/** Flags of memfd_create(2). */
export const MFD = {
  CLOEXEC: 0x01,
  ALLOW_SEALING: 0x02,
  HUGETLB: 0x04,
  NOEXEC_SEAL: 0x08,
  EXEC: 0x10,
} as const;

/** The size of huge pages, in the flags of memfd_create(2) beside MFD.HUGETLB. Default: that of the system. */
export const MFD_HUGE = hugeSizes;
