import { isRegular, O, type Stat } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import {
  type BorrowFailure,
  type HandleFailure,
  type IoFailure,
  type MallocFailure,
  WrongKindError,
} from "./errors.ts";
import { type FileDescriptor, fileTypeName } from "./FileDescriptor.ts";
import { nothingWritten, writeAll } from "./writeAll.ts";

/** Bytes that are read and written at a time. */
const PIECE_SIZE = 1024 * 1024;

/** Pieces that are on their way at a time, so that a copy between hosts does not wait for each. */
const PIECES = 4;

/** How far a copy is, in bytes. */
export interface CopyProgress {
  /** Bytes that have been written. */
  readonly done: number;
  /** Bytes of the file when the copy began. */
  readonly size: number;
}

/** Options of {@link copyFile}. */
export interface CopyFileOptions {
  /** Runs whenever a piece has been written. */
  readonly onProgress?: (progress: CopyProgress) => Effect.Effect<void>;
}

/**
 * Copies the content of a regular file or a memfd over another one, which may be in another process, on any host.
 * The bytes go through this process, several pieces at a time. The offsets of the open files do not change.
 * EINVAL if one of the two is neither a regular file nor a memfd, or if the target is open for appending:
 * pwrite(2) would then ignore the offset of a piece.
 *
 * @returns how many bytes were copied: fewer than the file had if it has become shorter meanwhile
 * @example
 * ```ts
 * import { Memfd, copyFile } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const from = yield* thread.open("/etc/passwd");
 *   const to = yield* Memfd.make(thread, "copy");
 *   console.log((yield* copyFile(from, to)) > 0); // true: the bytes that were copied
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export const copyFile: (
  from: FileDescriptor,
  to: FileDescriptor,
  options?: CopyFileOptions,
) => Effect.Effect<number, HandleFailure> = Effect.fnUntraced(function* (
  from,
  to,
  { onProgress = () => Effect.void } = {},
) {
  const { size } = yield* regular(from);
  yield* regular(to);
  if ((yield* to.statusFlags()) & O.APPEND)
    return yield* new near.InvalidStateError({
      syscall: "copyFile",
      subject: String(to),
      problem: "appends whatever is written to it, and the pieces are written in any order",
      remedy: "open the file without O.APPEND",
    });
  yield* Effect.flatMap(to.borrow(to.task), (fd) => near.ftruncate(to.task.sysif, fd, 0));
  let next = 0;
  let done = 0;
  const copyPiece = (offset: number) =>
    Effect.gen(function* () {
      const bytes = yield* readPiece(from, Math.min(PIECE_SIZE, size - offset), offset);
      if (bytes.length < Math.min(PIECE_SIZE, size - offset)) next = size;
      if (bytes.length === 0) return;
      yield* writePiece(to, bytes, offset);
      done += bytes.length;
      yield* onProgress({ done, size });
    });
  // A size is what the task says: nothing is made for pieces that may never come.
  const copyPieces: Effect.Effect<void, MallocFailure | BorrowFailure> = Effect.suspend(() => {
    if (next >= size) return Effect.void;
    const offset = next;
    next += PIECE_SIZE;
    return Effect.andThen(copyPiece(offset), copyPieces);
  });
  yield* Effect.all(
    Array.from({ length: PIECES }, () => copyPieces),
    {
      concurrency: PIECES,
      discard: true,
    },
  );
  return done;
});

const regular = (fd: FileDescriptor): Effect.Effect<Stat, IoFailure | WrongKindError> =>
  Effect.flatMap(fd.fstat(), (status) =>
    isRegular(status.mode)
      ? Effect.succeed(status)
      : Effect.fail(
          new WrongKindError({
            subject: `fd ${fd.near}`,
            expected: "regular file",
            actual: fileTypeName(status.mode),
          }),
        ),
  );

/** pread(2), repeated until the piece is complete. It is shorter only at the end of the file. */
const readPiece = (
  file: FileDescriptor,
  size: number,
  offset: number,
): Effect.Effect<Uint8Array, MallocFailure | BorrowFailure> => {
  const { task } = file;
  return Effect.flatMap(file.borrow(task), (fd) =>
    task.withMemory(size, 1, (address) => {
      const readFrom = (at: number): Effect.Effect<number, near.SyscallFailure> =>
        Effect.flatMap(
          near.pread(task.sysif, fd, near.Address(address + at), size - at, offset + at),
          (count) =>
            count === 0 || at + count === size ? Effect.succeed(at + count) : readFrom(at + count),
        );
      return Effect.flatMap(readFrom(0), (length) => task.sysif.read(address, length));
    }),
  );
};

/** pwrite(2), repeated until the piece is written. */
const writePiece = (
  file: FileDescriptor,
  bytes: Uint8Array,
  offset: number,
): Effect.Effect<void, MallocFailure | BorrowFailure> => {
  const { task } = file;
  return Effect.flatMap(file.borrow(task), (fd) =>
    task.withBytes(bytes, (address) =>
      writeAll(
        bytes.length,
        (done) =>
          near.pwrite(
            task.sysif,
            fd,
            near.Address(address + done),
            bytes.length - done,
            offset + done,
          ),
        nothingWritten("pwrite64", `fd ${fd}`),
      ),
    ),
  );
};
