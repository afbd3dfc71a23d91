import type { syscalls as aarch64Syscalls } from "./arch/aarch64/syscalls.ts";
import type { syscalls as x86_64Syscalls } from "./arch/x86_64/syscalls.ts";
import type { FixedCodec } from "./Codec.ts";
import type { ExecConvention } from "./linux/audit.ts";
import type { EpollEvent } from "./sys/epoll.ts";
import type { Stat } from "./sys/stat.ts";

/** The name of a system call that any supported machine has, as in syscalls(2). */
export type SyscallName = keyof typeof x86_64Syscalls | keyof typeof aarch64Syscalls;

/** What differs between the machines that Linux runs on. */
export interface Abi {
  /** As `uname -m` says it. */
  readonly machine: "x86_64" | "aarch64";
  /** `e_machine` in the header of its executables: EM_X86_64 or EM_AARCH64. See elf(5). */
  readonly elfMachine: 62 | 183;
  /** The numbers of the system calls that it has. */
  readonly syscalls: Readonly<Partial<Record<SyscallName, number>>>;
  /** The number of a system call; undefined where the machine does not have it. */
  syscallNumber(name: SyscallName): number | undefined;
  /** The name of a system call, for messages; `syscall_<number>` where it is not known. */
  syscallName(number: number): string;
  /** `struct stat` as newfstatat(2) writes it. */
  readonly stat: FixedCodec<Stat>;
  /** `struct epoll_event`. See epoll_ctl(2). */
  readonly epollEvent: FixedCodec<EpollEvent>;
  /** How programs of all conventions that it runs ask for an exec: its own first. */
  readonly execs: ReadonlyArray<ExecConvention>;
  /** From the flags in `O` to what open(2) takes on this machine. */
  openFlagsToTarget(flags: number): number;
  /** From what `F.GETFL` gives on this machine to the flags in `O`. */
  openFlagsFromTarget(flags: number): number;
}
