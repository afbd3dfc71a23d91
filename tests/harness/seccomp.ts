import { Errno, type SyscallName } from "@rsyscall/abi";
import { prctl } from "@rsyscall/handle";
import { call } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";

/** Makes a system call fail in a process and its children, as container runtimes do: seccomp(2). */
export const refuse = (thread: Thread, name: SyscallName, errno: "ENOSYS" | "EPERM") =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* prctl.setNoNewPrivs(thread.task);
      const number = thread.task.abi.syscallNumber(name) as number;
      const filter = new DataView(new ArrayBuffer(4 * 8));
      const statement = (at: number, code: number, jf: number, k: number) => {
        filter.setUint16(8 * at, code, true);
        filter.setUint8(8 * at + 3, jf);
        filter.setUint32(8 * at + 4, k, true);
      };
      statement(0, 0x20 /* BPF_LD | BPF_W | BPF_ABS */, 0, 0);
      statement(1, 0x15 /* BPF_JMP | BPF_JEQ | BPF_K */, 1, number);
      statement(2, 0x06 /* BPF_RET */, 0, 0x0005_0000 + Errno[errno] /* SECCOMP_RET_ERRNO */);
      statement(3, 0x06 /* BPF_RET */, 0, 0x7fff_0000 /* SECCOMP_RET_ALLOW */);
      const pointer = yield* thread.ptr(new Uint8Array(filter.buffer));
      const program = new DataView(new ArrayBuffer(16));
      program.setUint16(0, 4, true);
      program.setBigUint64(8, BigInt(yield* pointer.address()), true);
      const address = yield* (yield* thread.ptr(new Uint8Array(program.buffer))).address();
      yield* call(thread.task.sysif, "prctl", 22 /* PR_SET_SECCOMP */, 2, address, 0, 0);
    }),
  );
