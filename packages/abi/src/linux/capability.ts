import { type FixedCodec, Int32, struct, Uint32 } from "../Codec.ts";

/** Numbers of capabilities. See capabilities(7). */
export const CAP = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  LINUX_IMMUTABLE: 9,
  NET_BIND_SERVICE: 10,
  NET_BROADCAST: 11,
  NET_ADMIN: 12,
  NET_RAW: 13,
  IPC_LOCK: 14,
  IPC_OWNER: 15,
  SYS_MODULE: 16,
  SYS_RAWIO: 17,
  SYS_CHROOT: 18,
  SYS_PTRACE: 19,
  SYS_PACCT: 20,
  SYS_ADMIN: 21,
  SYS_BOOT: 22,
  SYS_NICE: 23,
  SYS_RESOURCE: 24,
  SYS_TIME: 25,
  SYS_TTY_CONFIG: 26,
  MKNOD: 27,
  LEASE: 28,
  AUDIT_WRITE: 29,
  AUDIT_CONTROL: 30,
  SETFCAP: 31,
  MAC_OVERRIDE: 32,
  MAC_ADMIN: 33,
  SYSLOG: 34,
  WAKE_ALARM: 35,
  BLOCK_SUSPEND: 36,
  AUDIT_READ: 37,
  PERFMON: 38,
  BPF: 39,
  CHECKPOINT_RESTORE: 40,
} as const;

/** The layout of {@link CapHeader} and {@link CapData}: _LINUX_CAPABILITY_VERSION_3. */
export const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

/** Whose capabilities capget(2) and capset(2) are about. */
export interface CapHeader {
  /**
   * The version of the interface: `LINUX_CAPABILITY_VERSION_3`. See
   * [capget(2)](https://man7.org/linux/man-pages/man2/capget.2.html).
   */
  readonly version: number;
  /** 0 for the task itself. */
  readonly pid: number;
}

/** See {@link CapHeader}; 8 bytes. */
export const CapHeader: FixedCodec<CapHeader> = struct("struct __user_cap_header_struct", {
  version: Uint32,
  pid: Int32,
});

/** Three sets of `CAP` numbers. See capabilities(7). */
export interface CapData {
  /** What the kernel checks. */
  readonly effective: ReadonlySet<number>;
  /** What may be made effective or inheritable. */
  readonly permitted: ReadonlySet<number>;
  /** What an exec may keep, if the file has it too. */
  readonly inheritable: ReadonlySet<number>;
}

const words = struct("struct __user_cap_data_struct[2]", {
  effective: Uint32,
  permitted: Uint32,
  inheritable: Uint32,
  effectiveHigh: Uint32,
  permittedHigh: Uint32,
  inheritableHigh: Uint32,
});

const halves = (capabilities: ReadonlySet<number>): [low: number, high: number] => {
  const halves: [number, number] = [0, 0];
  for (const capability of capabilities) {
    if (!Number.isInteger(capability) || capability < 0 || capability > 63)
      throw new RangeError(`${capability} is not a capability`);
    halves[capability < 32 ? 0 : 1] |= 1 << (capability % 32);
  }
  return halves;
};

const joined = (low: number, high: number): ReadonlySet<number> =>
  new Set(
    Array.from({ length: 64 }, (_, i) => i).filter(
      (capability) => ((capability < 32 ? low : high) >>> (capability % 32)) & 1,
    ),
  );

/** See {@link CapData}: the two structs of version 3, 24 bytes, where each set has 64 bits. */
export const CapData: FixedCodec<CapData> = {
  ...words,
  sizeOf: () => words.size,
  encode: (value, into) => {
    const [effective, effectiveHigh] = halves(value.effective);
    const [permitted, permittedHigh] = halves(value.permitted);
    const [inheritable, inheritableHigh] = halves(value.inheritable);
    words.encode(
      { effective, permitted, inheritable, effectiveHigh, permittedHigh, inheritableHigh },
      into,
    );
  },
  decode: (bytes) => {
    const sets = words.decode(bytes);
    return {
      effective: joined(sets.effective, sets.effectiveHigh),
      permitted: joined(sets.permitted, sets.permittedHigh),
      inheritable: joined(sets.inheritable, sets.inheritableHigh),
    };
  },
};
