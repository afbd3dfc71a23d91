import { Iovec } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { encode } from "../encode.ts";
import type { MallocFailure } from "../errors.ts";
import type { Task } from "../Task.ts";
import { pipe } from "../unistd.ts";
import { checkedCount } from "./checked.ts";

/*
 * Copies between memory of a task that may be inaccessible, and memory of its allocator. The kernel copies, so that
 * a page without the right, or behind the end of its file, is an error (EFAULT) and not a signal, which would end
 * the process: in this process, that of the controller.
 *
 * process_vm_readv(2) and its counterpart, on the process itself, are copies within its memory. The side that is
 * "here" is accessed as any system call accesses memory; the other one not if it is memory of memfd_secret(2) or of
 * a device. So the memory in question is always "here".
 */

/** Bytes that are copied at a time. */
const CHUNK = 256 * 1024;

/** Bytes of two struct iovec. */
const PARTS = 2 * Iovec.size;

const partsOf = (here: number, there: number, length: number): Uint8Array => {
  const parts = new Uint8Array(PARTS);
  parts.set(encode(Iovec, { base: here, length }));
  parts.set(encode(Iovec, { base: there, length }), Iovec.size);
  return parts;
};

const fault = (syscall: string, subject: string, needs: string): near.SyscallError =>
  near.SyscallError.of(
    syscall,
    "EFAULT",
    subject,
    `a page there is not mapped with ${needs}, lies behind the end of its file, or has no huge page left for it`,
  );

/** A copy that the kernel has not made as a whole is EFAULT. */
const whole = <E>(
  call: Effect.Effect<number, E>,
  length: number,
  failure: () => near.SyscallError,
): Effect.Effect<void, E | near.SyscallError> =>
  Effect.flatMap(checkedCount("memory copy", call, length), (count) =>
    count === length ? Effect.void : Effect.fail(failure()),
  ).pipe(near.catchErrno("EFAULT", () => Effect.fail(failure())));

/** Copies in parts. */
const inChunks = <E>(
  length: number,
  copy: (offset: number, size: number) => Effect.Effect<void, E>,
): Effect.Effect<void, E> => {
  const from = (offset: number): Effect.Effect<void, E> =>
    offset >= length
      ? Effect.void
      : Effect.andThen(copy(offset, Math.min(CHUNK, length - offset)), from(offset + CHUNK));
  return Effect.suspend(() => from(0));
};

/** Reads memory of a task that may be inaccessible. */
export const readMemory = (
  task: Task,
  address: near.Address,
  length: number,
  subject: string,
): Effect.Effect<Uint8Array, MallocFailure> =>
  Effect.suspend(() => {
    const { sysif, pid } = task;
    const failure = () => fault("memory read", subject, "PROT.READ");
    const all = new Uint8Array(length);
    const copy = (offset: number, size: number) =>
      task.withMemory(PARTS + size, 8, (base) => {
        const [here, there] = [near.Address(address + offset), near.Address(base + PARTS)];
        const copied = near.processVmWritev(
          sysif,
          pid,
          base,
          1,
          near.Address(base + Iovec.size),
          1,
          0,
        );
        const call = Effect.andThen(sysif.write(base, partsOf(here, there, size)), copied).pipe(
          near.orOlder(sysif, "process_vm_writev", () => throughPipe(task, here, there, size)),
        );
        return Effect.map(
          Effect.andThen(
            whole(call, size, failure),
            Effect.suspend(() => sysif.read(there, size)),
          ),
          (bytes) => all.set(bytes, offset),
        );
      });
    return Effect.as(inChunks(length, copy), all);
  });

/** Writes memory of a task that may be inaccessible. A failure may have written a part. */
export const writeMemory = (
  task: Task,
  address: near.Address,
  bytes: Uint8Array,
  subject: string,
): Effect.Effect<void, MallocFailure> =>
  Effect.suspend(() => {
    const { sysif, pid } = task;
    const failure = () => fault("memory write", subject, "PROT.WRITE");
    return inChunks(bytes.length, (offset, size) =>
      task.withMemory(PARTS + size, 8, (base) => {
        const [here, there] = [near.Address(address + offset), near.Address(base + PARTS)];
        const content = new Uint8Array(PARTS + size);
        content.set(partsOf(here, there, size));
        content.set(bytes.subarray(offset, offset + size), PARTS);
        const copied = near.processVmReadv(
          sysif,
          pid,
          base,
          1,
          near.Address(base + Iovec.size),
          1,
          0,
        );
        const call = Effect.andThen(sysif.write(base, content), copied).pipe(
          near.orOlder(sysif, "process_vm_readv", () => throughPipe(task, there, here, size)),
        );
        return whole(call, size, failure);
      }),
    );
  });

/** Copies memory through a pipe of the task, whose ends take it as any memory. Returns the number of bytes. */
const throughPipe = (
  task: Task,
  from: near.Address,
  to: near.Address,
  length: number,
): Effect.Effect<number, MallocFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const [reader, writer] = yield* pipe(task);
      let done = 0;
      while (done < length) {
        // A new pipe has room for a page, even if its owner has reached the limit.
        const size = Math.min(task.pageSize, length - done);
        const written = yield* near.write(task.sysif, writer.near, near.Address(from + done), size);
        if (written === 0) break;
        const read = yield* near.read(task.sysif, reader.near, near.Address(to + done), written);
        done += read;
        if (read < size) break;
      }
      return done;
    }),
  );
