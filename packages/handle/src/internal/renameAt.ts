import * as near from "@rsyscall/near";
import { Effect } from "effect";

/** RENAME_NOREPLACE of renameat2(2). */
const NOREPLACE = 1;

/**
 * renameat2(2), or what does the same where that is refused: without flags renameat(2); for a name that must be
 * free linkat(2), which never replaces anything either, and unlinkat(2) of the old name. That is for file systems
 * that do not know the flag (NFS), too.
 */
export const renameAt = (
  sysif: near.SyscallInterface,
  fromDirectory: near.Fd | number,
  from: near.Address,
  toDirectory: near.Fd | number,
  to: near.Address,
  flags: number,
  subject: string,
): Effect.Effect<void, near.SyscallFailure> => {
  if (flags === 0) return near.renameat(sysif, fromDirectory, from, toDirectory, to, subject);
  const newer = near.renameat2(sysif, fromDirectory, from, toDirectory, to, flags, subject);
  if (flags !== NOREPLACE) return newer;
  const move = Effect.andThen(
    near.linkat(sysif, fromDirectory, from, toDirectory, to, 0, subject),
    near
      .unlinkat(sysif, fromDirectory, from, 0, subject)
      .pipe(Effect.tapError(() => Effect.ignore(near.unlinkat(sysif, toDirectory, to, 0)))),
  );
  const moved = (refusal: near.SyscallError) =>
    // A directory has one name. linkat(2) says EPERM of it.
    near.catchErrno("EPERM", () => Effect.fail(refusal))(move);
  return newer.pipe(near.orOlder(sysif, "renameat2", moved), near.catchErrno("EINVAL", moved));
};
