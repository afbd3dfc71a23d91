import { printable, TaggedError } from "@rsyscall/near";
import { Effect } from "effect";

/** The oldest kernel that has all system calls that are used here: close_range, pidfds, faccessat2. */
export const requiredKernel = "5.10";

/** The kernel lacks system calls that are needed. */
export class KernelTooOldError extends TaggedError("KernelTooOldError")<{
  /** As `uname -r` prints it. */
  readonly release: string;
  readonly required: string;
}> {
  override get message(): string {
    return `This kernel is Linux ${printable(this.release)}; rsyscall needs ${this.required} or newer: upgrade the kernel, or run on a host that has one`;
  }
}

/** rsyscall has no ABI for the machine. */
export class UnsupportedMachineError extends TaggedError("UnsupportedMachineError")<{
  /** As `uname -m` prints it, or a number of elf(5). */
  readonly machine: string;
}> {
  override get message(): string {
    return `rsyscall does not know the machine ${printable(this.machine)}; it knows x86_64 and aarch64: use a Node.js of one of these`;
  }
}

/** Refuses releases (as `uname -r` prints them) that are older than required. */
export const checkKernel = (release: string): Effect.Effect<void, KernelTooOldError> => {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const [requiredMajor = 0, requiredMinor = 0] = requiredKernel.split(".").map(Number);
  const recent = major > requiredMajor || (major === requiredMajor && minor >= requiredMinor);
  return recent
    ? Effect.void
    : Effect.fail(new KernelTooOldError({ release, required: requiredKernel }));
};
