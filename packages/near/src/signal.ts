import { Sigaction, SigHow, Sigset, Timespec } from "@rsyscall/abi";
import { define } from "./define.ts";
import { type Address, NULL, type PidLike } from "./identifiers.ts";
import { input, oneOf, output, pid, signal, sigsetSize } from "./kinds.ts";
import { unknown, value } from "./Memory.ts";
import { between, nothing } from "./Result.ts";

/** rt_sigprocmask, the system call behind sigprocmask(2). Either set may be NULL. */
export const sigprocmask = define<
  [how: number, set: Address, old: Address, maskSize?: number],
  void
>(
  "rt_sigprocmask",
  [
    oneOf("SIG_", SigHow, "how"),
    input(value(Sigset), "set"),
    output(value(Sigset), "old"),
    sigsetSize,
  ],
  nothing,
  { prompt: true },
);

/** rt_sigaction, the system call behind sigaction(2). */
export const sigaction = define<
  [signal: number, action: Address, old?: Address, maskSize?: number],
  void
>(
  "rt_sigaction",
  [signal, input(value(Sigaction), "action"), output(value(Sigaction), "old").or(NULL), sigsetSize],
  nothing,
  { prompt: true },
);

/** kill(2). Not prompt: it may stop the task itself. */
export const kill = define<[pid: PidLike, signal: number], void>("kill", [pid, signal], nothing);

/** tgkill(2): signals one thread of a process. Not prompt: it may stop the task itself. */
export const tgkill = define<[tgid: PidLike, tid: PidLike, signal: number], void>(
  "tgkill",
  [pid.as("tgid"), pid.as("tid"), signal],
  nothing,
  { about: (tgid, tid) => `thread ${tid} of pid ${tgid}` },
);

/** rt_sigpending, the system call behind sigpending(2). */
export const sigpending = define<[set: Address, maskSize?: number], void>(
  "rt_sigpending",
  [output(value(Sigset), "set"), sigsetSize],
  nothing,
  { prompt: true },
);

/**
 * rt_sigtimedwait, the system call behind sigtimedwait(2): takes a pending signal of the set and gives its number;
 * EAGAIN if none arrives within the timeout, a timespec.
 */
export const sigtimedwait = define<
  [set: Address, info: Address, timeout: Address, maskSize?: number],
  number
>(
  "rt_sigtimedwait",
  [
    input(value(Sigset), "set"),
    output(unknown, "info"),
    input(value(Timespec), "timeout"),
    sigsetSize,
  ],
  between(0, 64),
);

/** tkill(2). It may hit another process if the number was reused; tgkill checks the process. */
export const tkill = define<[tid: PidLike, signal: number], void>(
  "tkill",
  [pid.as("tid"), signal],
  nothing,
);

/** rt_sigqueueinfo, the system call behind sigqueue(3): sends a signal with a siginfo_t. */
export const sigqueue = define<[pid: PidLike, signal: number, info: Address], void>(
  "rt_sigqueueinfo",
  [pid, signal, input(unknown, "info")],
  nothing,
);

/** rt_tgsigqueueinfo(2): as sigqueue, but to one thread of a process. */
export const tgsigqueue = define<
  [tgid: PidLike, tid: PidLike, signal: number, info: Address],
  void
>("rt_tgsigqueueinfo", [pid.as("tgid"), pid.as("tid"), signal, input(unknown, "info")], nothing);

/** rt_sigsuspend, the system call behind sigsuspend(2): waits for a signal with this mask. It succeeds with EINTR. */
export const sigsuspend = define<[mask: Address, maskSize?: number], void>(
  "rt_sigsuspend",
  [input(value(Sigset), "mask"), sigsetSize],
  nothing,
);

/** sigaltstack(2): both addresses are of a `stack_t`, and may be NULL. */
export const sigaltstack = define<[stack: Address, old: Address], void>(
  "sigaltstack",
  [input(unknown, "stack"), output(unknown, "old")],
  nothing,
  { prompt: true },
);
