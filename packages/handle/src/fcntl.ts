import { AT, O } from "@rsyscall/abi";
import { openat, type PathLike, withFlags } from "@rsyscall/near";
import type { Effect, Scope } from "effect";
import type { MallocFailure } from "./errors.ts";
import { FileDescriptor } from "./FileDescriptor.ts";
import type { TaskLike } from "./TaskLike.ts";

/**
 * open(2), always close-on-exec. `mode` holds for files that it creates. Only the kernel knows what kind of file
 * it is: see `Socket.from` and the like.
 */
export const open = (
  { task }: TaskLike,
  path: PathLike,
  flags: number,
  mode = 0o666,
): Effect.Effect<FileDescriptor, MallocFailure, Scope.Scope> =>
  FileDescriptor.acquire(
    FileDescriptor,
    task,
    task.withPath("openat", path, (address) =>
      openat(task.sysif, AT.FDCWD, address, withFlags(flags, O.CLOEXEC), mode),
    ),
  );
