import { Iovec, listOf } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { encode } from "../encode.ts";
import type { BorrowFailure, MallocFailure, PtrFailure } from "../errors.ts";
import { argument, size as byteSize, bytes as bytesRule, each } from "../internal/checked.ts";
import type { Pointer, ReadablePointer } from "../Pointer.ts";
import type { Task } from "../Task.ts";

/** Where a transfer takes place, and how: preadv2(2). Without it, the offset of the open file is used, and moves. */
export interface At {
  /** In the file; -1: the offset of the open file, which moves. */
  readonly offset: number | bigint;
  /** Of `RWF`. */
  readonly flags: number;
}

const iovecs = listOf(Iovec);

type Transfer = (parts: near.Address, count: number) => near.Syscall<number>;

const transfer = (
  task: Task,
  fd: near.Fd,
  direction: "read" | "write",
  at: At | undefined,
): Transfer => {
  const { sysif } = task;
  if (at === undefined) {
    const call = direction === "read" ? near.readv : near.writev;
    return (parts, count) => call(sysif, fd, parts, count);
  }
  const call = direction === "read" ? near.preadv2 : near.pwritev2;
  return (parts, count) => call(sysif, fd, parts, count, at.offset, 0, at.flags);
};

/** The result of a transfer: EPROTO if it is more than was asked for. */
const atMost = (
  call: near.Syscall<number>,
  size: number,
): Effect.Effect<number, near.SyscallFailure> =>
  Effect.flatMap(call, (count) =>
    count <= size
      ? Effect.succeed(count)
      : Effect.fail(near.impossible(call.name, call.subject, `${count} of ${size} bytes`)),
  );

/** The parts of a range that begin where the range does, up to a number of bytes. */
const upTo = (parts: ReadonlyArray<Iovec>, most: number): ReadonlyArray<Iovec> => {
  let left = most;
  return parts.map(({ base, length }) => {
    const part = { base, length: Math.min(length, left) };
    left -= part.length;
    return part;
  });
};

const sizeOf = (parts: ReadonlyArray<Iovec>): number =>
  parts.reduce((sum, { length }) => sum + length, 0);

/** Makes a transfer of these parts of memory, of at most `most` bytes. */
const withParts = (
  task: Task,
  parts: ReadonlyArray<Iovec>,
  most: number,
  call: Transfer,
): Effect.Effect<number, MallocFailure> => {
  const given = upTo(parts, most);
  return task.withBytes(
    encode(iovecs, given),
    (address) => atMost(call(address, given.length), sizeOf(given)),
    Iovec.alignment,
  );
};

/** readv(2) or writev(2) of pointers, which are consumed. See `FileDescriptor.readv`. */
export const transferPointers: (
  task: Task,
  fd: near.Fd,
  direction: "read" | "write",
  buffers: ReadonlyArray<Pointer<Uint8Array>>,
  most: number,
  at: At | undefined,
) => Effect.Effect<
  ReadonlyArray<[used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>]>,
  PtrFailure | BorrowFailure
> = Effect.fnUntraced(function* (task, fd, direction, buffers, most, at) {
  const parts: Array<Iovec> = [];
  for (const buffer of buffers)
    parts.push({ base: yield* buffer.borrow(task), length: buffer.size });
  let left = yield* withParts(task, parts, most, transfer(task, fd, direction, at));
  const split: Array<[ReadablePointer<Uint8Array>, Pointer<Uint8Array>]> = [];
  for (const buffer of buffers) {
    const used = Math.min(buffer.size, left);
    left -= used;
    split.push(yield* buffer.readableSplit(used));
  }
  return split;
});

/** readv(2) into new memory. See `FileDescriptor.readvBytes`. */
export const readvBytes = (
  task: Task,
  fd: near.Fd,
  sizes: ReadonlyArray<number>,
  at: At | undefined,
): Effect.Effect<ReadonlyArray<Uint8Array>, MallocFailure> => {
  const wrong = argument("sizes", sizes, each(byteSize));
  if (wrong !== undefined)
    return Effect.fail(new near.InvalidArgumentError({ syscall: "readv", ...wrong }));
  const size = sizes.reduce((sum, size) => sum + size, 0);
  return task.withMemory(size, 1, (address) => {
    let base: number = address;
    const parts = sizes.map((length) => {
      const part = { base, length };
      base += length;
      return part;
    });
    return Effect.flatMap(withParts(task, parts, size, transfer(task, fd, "read", at)), (count) =>
      Effect.map(
        count === 0 ? Effect.succeed(new Uint8Array(0)) : task.sysif.read(address, count),
        (bytes) => {
          let end = 0;
          return sizes.map((size) => {
            const start = end;
            end += size;
            return bytes.slice(start, end);
          });
        },
      ),
    );
  });
};

/** writev(2) of bytes. See `FileDescriptor.writevBytes`. */
export const writevBytes = (
  task: Task,
  fd: near.Fd,
  parts: ReadonlyArray<Uint8Array>,
  most: number,
  at: At | undefined,
): Effect.Effect<number, MallocFailure> => {
  const wrong = argument("parts", parts, each(bytesRule));
  if (wrong !== undefined)
    return Effect.fail(new near.InvalidArgumentError({ syscall: "writev", ...wrong }));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return task.withBytes(bytes, (address) => {
    let base: number = address;
    const iovecs = parts.map(({ length }) => {
      const part = { base, length };
      base += length;
      return part;
    });
    return withParts(task, iovecs, most, transfer(task, fd, "write", at));
  });
};
