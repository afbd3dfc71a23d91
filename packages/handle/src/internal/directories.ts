import { type Dirent, decodeDirents, O } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { Task } from "../Task.ts";

/** Bytes of entries that are read at a time. */
export const BATCH = 32 * 1024;

/** Whether an entry is neither "." nor "..". */
export const isReal = ({ name }: Dirent): boolean => name !== "." && name !== "..";

export const openDirectoryAt = (
  task: Task,
  directory: near.DirectoryFd,
  path: near.Address,
  flags: number,
): near.Syscall<near.Fd> =>
  near.openat(task.sysif, directory, path, near.withFlags(flags, O.DIRECTORY | O.CLOEXEC), 0);

/** Reads one batch of entries, by a buffer of `size` bytes; none at the end. */
export const readEntries = (
  task: Task,
  fd: near.Fd,
  buffer: near.Address,
  size = BATCH,
): Effect.Effect<ReadonlyArray<Dirent>, near.SyscallFailure> =>
  Effect.flatMap(near.getdents(task.sysif, fd, buffer, size), (count) =>
    count === 0
      ? Effect.succeed([])
      : Effect.flatMap(task.sysif.read(buffer, count), (bytes) =>
          near.decoded("getdents64", `fd ${fd}`, () => decodeDirents(bytes)),
        ),
  );
