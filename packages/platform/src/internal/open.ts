import { isFifo, O } from "@rsyscall/abi";
import { type FileDescriptor, type HandleFailure, open, stat } from "@rsyscall/handle";
import { catchErrno } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, type FileSystem, type Scope } from "effect";

/** What the flags of fopen(3) mean to open(2). */
export const openFlags: Readonly<Record<FileSystem.OpenFlag, number>> = {
  r: O.RDONLY,
  "r+": O.RDWR,
  w: O.WRONLY | O.CREAT | O.TRUNC,
  wx: O.WRONLY | O.CREAT | O.TRUNC | O.EXCL,
  "w+": O.RDWR | O.CREAT | O.TRUNC,
  "wx+": O.RDWR | O.CREAT | O.TRUNC | O.EXCL,
  a: O.WRONLY | O.CREAT | O.APPEND,
  ax: O.WRONLY | O.CREAT | O.APPEND | O.EXCL,
  "a+": O.RDWR | O.CREAT | O.APPEND,
  "ax+": O.RDWR | O.CREAT | O.APPEND | O.EXCL,
};

/** Milliseconds between attempts to open a file for which the kernel has no event. */
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 50;

/**
 * Opens a file without blocking the process: open(2) of a FIFO would wait for a process at its other end,
 * and all later calls of the process with it.
 *
 * A FIFO is opened for reading at once, and the first read waits. Opening it for writing fails until it has a
 * reader (ENXIO), and opening a leased file until the lease is broken (EAGAIN). The kernel has no event for
 * either, so both are tried again.
 */
export const openWithoutBlocking = (
  { task }: Thread,
  path: string,
  flags: number,
  mode?: number,
): Effect.Effect<FileDescriptor, HandleFailure, Scope.Scope> => {
  const attempt = (pause: number): Effect.Effect<FileDescriptor, HandleFailure, Scope.Scope> => {
    const later = Effect.suspend(() =>
      Effect.andThen(Effect.sleep(pause), attempt(Math.min(2 * pause, LONGEST_PAUSE))),
    );
    return open(task, path, flags | O.NONBLOCK, mode).pipe(
      catchErrno("ENXIO", (error) =>
        Effect.flatMap(stat(task, path), ({ mode }) => (isFifo(mode) ? later : Effect.fail(error))),
      ),
      catchErrno("EAGAIN", () => later),
    );
  };
  return attempt(FIRST_PAUSE);
};
