import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { BorrowFailure, MallocFailure } from "../errors.ts";
import type { FileDescriptor } from "../FileDescriptor.ts";
import type { Task } from "../Task.ts";
import { nothingWritten, writeAll } from "../writeAll.ts";

/*
 * Pieces of a file, copied to another file, which may be in another process, on any host. Where the memory of that
 * process is behind a socket, bytes go straight between the socket and the file here.
 */

type Failure = MallocFailure | BorrowFailure;

/**
 * Copies a piece. Gives the number of bytes: fewer than the piece has at the end of the file.
 *
 * @param slot the part of the buffers that is used for it
 */
export type CopyPiece = (
  slot: number,
  offset: number,
  size: number,
) => Effect.Effect<number, Failure>;

/** How pieces are copied, and how many at a time. */
export interface Pieces {
  readonly slots: number;
  readonly copy: CopyPiece;
}

/**
 * Chooses how to copy pieces, and allocates the buffers, which the scope frees.
 *
 * @param slots pieces that are to be copied at a time
 * @param pieceSize bytes of each
 */
export const makePieces = Effect.fnUntraced(function* (
  from: FileDescriptor,
  to: FileDescriptor,
  slots: number,
  pieceSize: number,
): Effect.fn.Return<Pieces, Failure, Scope.Scope> {
  const [source, target] = [from.task, to.task];
  const through: readonly [Task, CopyThrough] | undefined =
    isHere(source) && target.sysif.transfers !== undefined
      ? [target, toSocket(from, to, target.sysif.transfers)]
      : isHere(target) && source.sysif.transfers !== undefined
        ? [source, fromSocket(from, to, source.sysif.transfers)]
        : undefined;
  if (through === undefined) return { slots, copy: throughArray(from, to) };
  const [away, copy] = through;
  const buffer = yield* allocate(away, slots, pieceSize);
  return {
    slots: buffer.slots,
    copy: (slot, offset, size) =>
      copy(near.Address(buffer.address + slot * pieceSize), offset, size),
  };
});

const isHere = ({ sysif }: Task): boolean => near.LocalSyscallInterface.of(sysif) !== undefined;

/** Allocates so many slots, or fewer if there is no room. */
const allocate = (
  task: Task,
  slots: number,
  pieceSize: number,
): Effect.Effect<{ address: near.Address; slots: number }, MallocFailure, Scope.Scope> =>
  Effect.acquireRelease(task.allocator.malloc(slots * pieceSize, task.pageSize), (allocation) =>
    // In another process, that takes a round trip that is of no use to the caller.
    Effect.sync(() => void Effect.runFork(allocation.free())),
  ).pipe(
    Effect.map(({ address }) => ({ address, slots })),
    Effect.catchTag("OutOfSpaceError", (error) =>
      slots === 1 ? Effect.fail(error) : allocate(task, slots >> 1, pieceSize),
    ),
  );

/**
 * Copies a piece through memory of the process that is away. The calls for it are submitted together: before it is
 * known how many bytes there are.
 */
type CopyThrough = (
  buffer: near.Address,
  offset: number,
  size: number,
) => Effect.Effect<number, Failure>;

const toSocket =
  (from: FileDescriptor, to: FileDescriptor, transfers: near.FileTransfers): CopyThrough =>
  (buffer, offset, size) =>
    Effect.map(
      near.pipelined([
        transfers.send(from.borrow(from.task), offset, buffer, size),
        writeTo(to, buffer, size, offset),
      ]),
      ([count]) => count,
    );

const fromSocket = (
  from: FileDescriptor,
  to: FileDescriptor,
  transfers: near.FileTransfers,
): CopyThrough => {
  const { sysif } = from.task;
  const copy: CopyThrough = (buffer, offset, size) =>
    Effect.flatMap(from.borrow(from.task), (fd) =>
      Effect.flatMap(
        near.pipelined([
          near.pread(sysif, fd, buffer, size, offset),
          transfers.receive(buffer, size, to.borrow(to.task), offset),
        ]),
        ([count]) =>
          count === 0 || count === size
            ? Effect.succeed(count)
            : Effect.map(copy(buffer, offset + count, size - count), (rest) => count + rest),
      ),
    );
  return copy;
};

const throughArray =
  (from: FileDescriptor, to: FileDescriptor): CopyPiece =>
  (_, offset, size) =>
    Effect.flatMap(
      from.task.withMemory(size, 1, (address) =>
        Effect.flatMap(readFrom(from, address, size, offset), (length) =>
          from.task.sysif.read(address, length),
        ),
      ),
      (bytes) =>
        Effect.as(
          to.task.withBytes(bytes, (address) => writeTo(to, address, bytes.length, offset)),
          bytes.length,
        ),
    );

/** pread(2), repeated until the piece is complete. It is shorter only at the end of the file. */
const readFrom = (
  file: FileDescriptor,
  address: near.Address,
  size: number,
  offset: number,
): Effect.Effect<number, Failure> => {
  const { sysif } = file.task;
  const readOn = (fd: near.Fd, at: number): Effect.Effect<number, near.SyscallFailure> =>
    Effect.flatMap(
      near.pread(sysif, fd, near.Address(address + at), size - at, offset + at),
      (count) =>
        count === 0 || at + count === size ? Effect.succeed(at + count) : readOn(fd, at + count),
    );
  return Effect.flatMap(file.borrow(file.task), (fd) => readOn(fd, 0));
};

/** pwrite(2), repeated until the piece is written. */
const writeTo = (
  file: FileDescriptor,
  address: near.Address,
  length: number,
  offset: number,
): Effect.Effect<void, Failure> => {
  const { sysif } = file.task;
  return Effect.flatMap(file.borrow(file.task), (fd) =>
    writeAll(
      length,
      (done) => near.pwrite(sysif, fd, near.Address(address + done), length - done, offset + done),
      nothingWritten("pwrite64", `fd ${fd}`),
    ),
  );
};
