/** Sizes of huge pages as flags have them, of mmap(2) and memfd_create(2): the power of two in the bits from 26 on. */
export const hugeSizes = {
  SHIFT: 26,
  MASK: 0x3f,
  "16KB": 0x38000000,
  "64KB": 0x40000000,
  "512KB": 0x4c000000,
  "1MB": 0x50000000,
  "2MB": 0x54000000,
  "8MB": 0x5c000000,
  "16MB": 0x60000000,
  "32MB": 0x64000000,
  "256MB": 0x70000000,
  "512MB": 0x74000000,
  "1GB": 0x78000000,
  "2GB": 0x7c000000,
  "16GB": 0x88000000,
} as const;
