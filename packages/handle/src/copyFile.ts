import { isRegular, O, type Stat } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { type HandleFailure, type IoFailure, WrongKindError } from "./errors.ts";
import { type FileDescriptor, fileTypeName } from "./FileDescriptor.ts";
import { Flight } from "./internal/Flight.ts";
import { makePieces, type Pieces } from "./internal/pieces.ts";

/** Bytes that are read and written at a time. */
const PIECE_SIZE = 256 * 1024;

/** Bytes that are on their way at a time: over a link without delay, and over any link. */
const LEAST = 1024 * 1024;
const MOST = 4 * 1024 * 1024;

/** Bytes that one copy_file_range(2) copies. Other work gets a turn between two of them. */
const RANGE_SIZE = 4 * 1024 * 1024;

/** copy_file_range(2) is missing in the kernel, the file systems or a sandbox; or a file is generated (/proc). */
const NO_RANGES = ["ENOSYS", "EXDEV", "EINVAL", "EOPNOTSUPP", "EPERM"] as const;

/** How far a copy is, in bytes. */
export interface CopyProgress {
  /** Bytes that have been written. */
  readonly done: number;
  /** Bytes of the file when the copy began. */
  readonly size: number;
}

/** Options of {@link copyFile}. */
export interface CopyFileOptions {
  /** Runs whenever a piece has been written: 256 KiB, or 4 MiB by copy_file_range(2). */
  readonly onProgress?: (progress: CopyProgress) => Effect.Effect<void>;
}

/**
 * Copies the content of a regular file or a memfd over another one, which may be in another process, on any host.
 * The offsets of the open files do not change. If it fails or is interrupted, the target has a part of the content.
 *
 * Between files of one descriptor table the kernel copies, by copy_file_range(2), where the file systems can. Other
 * bytes go through this process in pieces: as many at a time as the way to the other process holds twice, from 1 to
 * 4 MiB. Other calls of that process go on, each behind the pieces that are on their way.
 *
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
  // All of it takes one round trip.
  const [{ size }, target, flags, pieces] = yield* near.pipelined([
    regular(from),
    regular(to),
    to.statusFlags(),
    makePieces(from, to, MOST / PIECE_SIZE, PIECE_SIZE),
  ]);
  if (flags & O.APPEND)
    return yield* new near.InvalidStateError({
      syscall: "copyFile",
      subject: String(to),
      problem: "appends whatever is written to it, and the pieces are written in any order",
      remedy: "open the file without O.APPEND",
    });
  if (target.size > 0)
    yield* Effect.flatMap(to.borrow(to.task), (fd) => near.ftruncate(to.task.sysif, fd, 0));
  const tell = (done: number) => onProgress({ done, size });
  const done = from.task.fdTable === to.task.fdTable ? yield* copyRanges(from, to, size, tell) : 0;
  const copied = yield* copyPieces(pieces, done, size, tell);
  // What a piece does not have is copied as anything.
  if (copied < size)
    yield* Effect.flatMap(to.borrow(to.task), (fd) => near.ftruncate(to.task.sysif, fd, copied));
  return copied;
}, Effect.scoped);

/** Repeats copy_file_range(2) for as long as it copies, and gives the number of bytes. */
const copyRanges = Effect.fnUntraced(function* (
  from: FileDescriptor,
  to: FileDescriptor,
  size: number,
  tell: (done: number) => Effect.Effect<void>,
): Effect.fn.Return<number, HandleFailure> {
  for (let done = 0; ; ) {
    const count =
      done === size
        ? 0
        : yield* from
            .copyFileRange(to, Math.min(RANGE_SIZE, size - done), { from: done, to: done })
            .pipe(near.catchErrno(NO_RANGES, () => Effect.succeed(0)));
    if (count === 0) return done;
    done += count;
    yield* tell(done);
    yield* Effect.yieldNow;
  }
});

/** Copies the rest in pieces, as many at a time as the way between the two tasks holds. */
const copyPieces = Effect.fnUntraced(function* (
  { slots, copy }: Pieces,
  start: number,
  size: number,
  tell: (done: number) => Effect.Effect<void>,
): Effect.fn.Return<number, HandleFailure> {
  const flight = new Flight(LEAST, MOST);
  // The slots that were used last are taken first: their memory is in the caches.
  const free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  let next = start;
  let done = start;
  const copyPiece = Effect.fnUntraced(function* (slot: number, offset: number) {
    const length = Math.min(PIECE_SIZE, size - offset);
    const arrive = flight.depart();
    const count = yield* copy(slot, offset, length);
    arrive(count);
    free.push(slot);
    if (count < length) next = size;
    if (count === 0) return;
    done += count;
    yield* tell(done);
  });
  // A size is what the task says: nothing is made for pieces that may never come.
  const copyOn: Effect.Effect<void, HandleFailure> = Effect.suspend(() => {
    const begun: Array<Effect.Effect<void, HandleFailure>> = [];
    while (next < size && (slots - free.length) * PIECE_SIZE < flight.limit) {
      const slot = free.pop();
      if (slot === undefined) break;
      begun.push(Effect.andThen(copyPiece(slot, next), copyOn));
      next += PIECE_SIZE;
    }
    return Effect.all(begun, { concurrency: "unbounded", discard: true });
  });
  yield* copyOn;
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
