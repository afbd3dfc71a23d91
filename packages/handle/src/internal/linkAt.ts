import { AT } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import type { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import type { Task } from "../Task.ts";

/**
 * linkat(2) of an open file. AT_EMPTY_PATH takes CAP_DAC_READ_SEARCH, or Linux 6.10 and the credentials with which
 * the file was opened, and is ENOENT otherwise; the path in /proc takes /proc alone.
 */
export const linkAt = (
  task: Task,
  fd: near.Fd,
  directory: near.DirectoryFd,
  path: near.Address,
): Effect.Effect<void, MallocFailure> =>
  task
    .withBytes(near.pathBytes("\0"), (empty) =>
      near.linkat(task.sysif, fd, empty, directory, path, AT.EMPTY_PATH),
    )
    .pipe(
      near.catchErrno(["ENOENT", "EPERM"], () =>
        task.withBytes(near.pathBytes(`/proc/self/fd/${fd}\0`), (link) =>
          near.linkat(task.sysif, AT.FDCWD, link, directory, path, AT.SYMLINK_FOLLOW),
        ),
      ),
    );
