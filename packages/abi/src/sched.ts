import { type FixedCodec, struct, Uint64 } from "./Codec.ts";

/** Flags of clone(2), unshare(2) and setns(2). Those above 32 bits need clone3. */
export const CLONE = {
  /** Only unshare(2) and clone3(2): of clone(2)'s flags, the low byte is the exit signal. */
  NEWTIME: 0x00000080,
  VM: 0x00000100,
  FS: 0x00000200,
  FILES: 0x00000400,
  SIGHAND: 0x00000800,
  PIDFD: 0x00001000,
  PTRACE: 0x00002000,
  VFORK: 0x00004000,
  PARENT: 0x00008000,
  THREAD: 0x00010000,
  NEWNS: 0x00020000,
  SYSVSEM: 0x00040000,
  SETTLS: 0x00080000,
  PARENT_SETTID: 0x00100000,
  CHILD_CLEARTID: 0x00200000,
  DETACHED: 0x00400000,
  UNTRACED: 0x00800000,
  CHILD_SETTID: 0x01000000,
  NEWCGROUP: 0x02000000,
  NEWUTS: 0x04000000,
  NEWIPC: 0x08000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
  IO: 0x80000000,
  CLEAR_SIGHAND: 0x100000000,
  INTO_CGROUP: 0x200000000,
} as const;

/** Flags of `CLONE` by their names, for messages: "CLONE_NEWUSER|CLONE_NEWPID". */
export const cloneFlagNames = (flags: number): string => {
  const names: Array<string> = [];
  let rest = flags;
  // The highest is beyond 32 bits, where no bitwise operator reaches.
  for (const [name, flag] of Object.entries(CLONE))
    if (Math.floor(flags / flag) % 2 === 1) {
      names.push(`CLONE_${name}`);
      rest -= flag;
    }
  if (rest !== 0 || names.length === 0) names.push(`0x${rest.toString(16)}`);
  return names.join("|");
};

/** See clone(2): the arguments of clone3. */
export const CloneArgs = struct("struct clone_args", {
  flags: Uint64,
  pidfd: Uint64,
  childTid: Uint64,
  parentTid: Uint64,
  exitSignal: Uint64,
  stack: Uint64,
  stackSize: Uint64,
  tls: Uint64,
  setTid: Uint64,
  setTidSize: Uint64,
  cgroup: Uint64,
});

/** Bytes of a {@link CpuSet}: room for as many CPUs as a kernel of today can be built for, 8192. */
const CPU_SET_SIZE = 1024;

/** A set of CPU numbers, from 0. See CPU_SET(3). */
export type CpuSet = ReadonlySet<number>;

/** See {@link CpuSet}. Decodes as many bytes as there are: the kernel writes no more than it needs. */
export const CpuSet: FixedCodec<CpuSet> = {
  name: "cpu_set_t",
  size: CPU_SET_SIZE,
  alignment: 8,
  sizeOf: () => CPU_SET_SIZE,
  encode: (value, into) => {
    into.fill(0, 0, CPU_SET_SIZE);
    for (const cpu of value) {
      if (!Number.isInteger(cpu) || cpu < 0 || cpu >= 8 * CPU_SET_SIZE)
        throw new RangeError(`${cpu} is not a CPU`);
      into[cpu >> 3] = (into[cpu >> 3] ?? 0) | (1 << (cpu & 7));
    }
  },
  decode: (bytes) => {
    const cpus = Array.from({ length: 8 * bytes.length }, (_, i) => i);
    return new Set(cpus.filter((cpu) => ((bytes[cpu >> 3] ?? 0) >> (cpu & 7)) & 1));
  },
};

/** Policies of sched_setscheduler(2). */
export const SCHED = { OTHER: 0, FIFO: 1, RR: 2, BATCH: 3, IDLE: 5, DEADLINE: 6, EXT: 7 } as const;
