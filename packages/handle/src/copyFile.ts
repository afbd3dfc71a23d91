import { isRegular, O, type Stat } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { HandleFailure } from "./errors.ts";
import type { FileDescriptor } from "./FileDescriptor.ts";
import { checkedCount } from "./internal/checked.ts";

/** Bytes that are read and written at a time. */
const PIECE_SIZE = 1024 * 1024;

/** So many pieces are on their way, so that a copy between hosts does not wait for each. */
const PIECES = 4;

/** How far a copy is, in bytes. */
export interface CopyProgress {
  readonly done: number;
  readonly size: number;
}

export interface CopyFileOptions {
  /** Runs whenever a piece has been written. */
  readonly onProgress?: (progress: CopyProgress) => Effect.Effect<void>;
}

/**
 * Copies what is in a regular file, or a memfd, over another, which may be in another process, on any host:
 * the bytes go through this process, several pieces at a time. Offsets of open files stay where they are.
 * EINVAL where one of the two is no such file, or the target is open for appending (pwrite(2) would then not
 * heed where a piece belongs).
 *
 * @returns how many bytes were copied: fewer than the file had if it has become shorter meanwhile
 */
export const copyFile = (
  from: FileDescriptor,
  to: FileDescriptor,
  { onProgress = () => Effect.void }: CopyFileOptions = {},
): Effect.Effect<number, HandleFailure> =>
  Effect.gen(function* () {
    const { size } = yield* regular(from);
    yield* regular(to);
    if ((yield* to.statusFlags) & O.APPEND) return yield* refused(to);
    yield* Effect.flatMap(to.borrow(to.task), (fd) => near.ftruncate(to.task.sysif, fd, 0));
    const offsets = Array.from({ length: Math.ceil(size / PIECE_SIZE) }, (_, i) => i * PIECE_SIZE);
    let done = 0;
    const copyPiece = (offset: number) =>
      Effect.gen(function* () {
        const bytes = yield* readPiece(from, Math.min(PIECE_SIZE, size - offset), offset);
        if (bytes.length === 0) return;
        yield* writePiece(to, bytes, offset);
        done += bytes.length;
        yield* onProgress({ done, size });
      });
    yield* Effect.forEach(offsets, copyPiece, { concurrency: PIECES, discard: true });
    return done;
  });

const refused = (fd: FileDescriptor) =>
  Effect.fail(near.SyscallError.of("pwrite", "EINVAL", `fd ${fd.near}`));

const regular = (fd: FileDescriptor): Effect.Effect<Stat, HandleFailure> =>
  Effect.flatMap(fd.fstat, (status) =>
    isRegular(status.mode) ? Effect.succeed(status) : refused(fd),
  );

/** pread(2), as often as it takes. Short only at the end of the file. */
const readPiece = (
  file: FileDescriptor,
  size: number,
  offset: number,
): Effect.Effect<Uint8Array, HandleFailure> => {
  const { task } = file;
  return Effect.flatMap(file.borrow(task), (fd) =>
    task.withMemory(size, 1, (address) => {
      const readFrom = (at: number): Effect.Effect<number, near.SyscallFailure> =>
        Effect.flatMap(
          checkedCount(
            "pread64",
            near.pread(task.sysif, fd, near.Address(address + at), size - at, offset + at),
            size - at,
          ),
          (count) =>
            count === 0 || at + count === size ? Effect.succeed(at + count) : readFrom(at + count),
        );
      return Effect.flatMap(readFrom(0), (length) => task.sysif.read(address, length));
    }),
  );
};

/** pwrite(2), as often as it takes. */
const writePiece = (
  file: FileDescriptor,
  bytes: Uint8Array,
  offset: number,
): Effect.Effect<void, HandleFailure> => {
  const { task } = file;
  return Effect.flatMap(file.borrow(task), (fd) =>
    task.withBytes(bytes, (address) => {
      const writeFrom = (at: number): Effect.Effect<void, near.SyscallFailure> =>
        Effect.flatMap(
          near.pwrite(task.sysif, fd, near.Address(address + at), bytes.length - at, offset + at),
          (count) => (at + count < bytes.length ? writeFrom(at + count) : Effect.void),
        );
      return writeFrom(0);
    }),
  );
};
