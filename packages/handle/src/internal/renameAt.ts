import { RENAME } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";

/**
 * renameat2(2), or an equivalent if that is refused or the file system does not know the flag (NFS): without
 * flags renameat(2); with RENAME_NOREPLACE linkat(2), which never replaces a file either, and unlinkat(2) of the
 * old name.
 */
export const renameAt = (
  sysif: near.SyscallInterface,
  fromDirectory: near.DirectoryFd,
  from: near.Address,
  toDirectory: near.DirectoryFd,
  to: near.Address,
  flags: number,
): Effect.Effect<void, near.SyscallFailure> => {
  if (flags === 0) return near.renameat(sysif, fromDirectory, from, toDirectory, to);
  const newer = near.renameat2(sysif, fromDirectory, from, toDirectory, to, flags);
  if (flags !== RENAME.NOREPLACE) return newer;
  const move = Effect.andThen(
    near.linkat(sysif, fromDirectory, from, toDirectory, to, 0),
    near
      .unlinkat(sysif, fromDirectory, from, 0)
      .pipe(Effect.tapError(() => Effect.ignore(near.unlinkat(sysif, toDirectory, to, 0)))),
  );
  const moved = (refusal: near.SyscallError) =>
    // linkat(2) is EPERM for a directory, which can have only one name.
    near.catchErrno("EPERM", () => Effect.fail(refusal))(move);
  return newer.pipe(near.orOlder(sysif, "renameat2", moved), near.catchErrno("EINVAL", moved));
};
