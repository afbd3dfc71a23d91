/** The calling conventions of system calls, as seccomp(2) and audit(7) tell them apart: AUDIT_ARCH_* of linux/audit.h. */
export const AUDIT_ARCH = {
  X86_64: 0xc000003e,
  I386: 0x40000003,
  AARCH64: 0xc00000b7,
  ARM: 0x40000028,
} as const;

/** The bit in the numbers of the x32 convention, whose AUDIT_ARCH is that of x86-64. */
const X32 = 0x4000_0000;

/** How programs of one convention ask a machine to execute a program. */
export interface ExecConvention {
  /** Of {@link AUDIT_ARCH}. */
  readonly auditArch: number;
  /** The numbers of execve(2) and execveat(2). */
  readonly execve: number;
  /** The number of execveat(2). */
  readonly execveat: number;
  /** Bytes of an address in argv and envp. */
  readonly pointerSize: 4 | 8;
}

/** The conventions of an x86-64 kernel: its own, x32, and 32-bit programs. */
export const x86Execs: ReadonlyArray<ExecConvention> = [
  { auditArch: AUDIT_ARCH.X86_64, execve: 59, execveat: 322, pointerSize: 8 },
  { auditArch: AUDIT_ARCH.X86_64, execve: X32 + 520, execveat: X32 + 545, pointerSize: 4 },
  { auditArch: AUDIT_ARCH.I386, execve: 11, execveat: 358, pointerSize: 4 },
];

/** The conventions of an arm64 kernel: its own, and 32-bit programs. */
export const armExecs: ReadonlyArray<ExecConvention> = [
  { auditArch: AUDIT_ARCH.AARCH64, execve: 221, execveat: 281, pointerSize: 8 },
  { auditArch: AUDIT_ARCH.ARM, execve: 11, execveat: 387, pointerSize: 4 },
];
