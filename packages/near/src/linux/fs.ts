import { AT } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, DirectoryFd, Fd } from "../identifiers.ts";
import { directory, fd, flags, input, output, path, size } from "../kinds.ts";
import { bytes, unknown } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** file_getattr(2): a `struct file_attr`. Since Linux 6.17. */
export const fileGetattr = define<
  [directory: DirectoryFd, path: Address, attributes: Address, length: number, flags: number],
  void
>(
  "file_getattr",
  [
    directory,
    path,
    output(bytes(3), "attributes"),
    size,
    flags("AT_", { EMPTY_PATH: AT.EMPTY_PATH, SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW }),
  ],
  nothing,
);

/** file_setattr(2): a `struct file_attr`. Since Linux 6.17. */
export const fileSetattr = define<
  [directory: DirectoryFd, path: Address, attributes: Address, length: number, flags: number],
  void
>(
  "file_setattr",
  [
    directory,
    path,
    input(bytes(3), "attributes"),
    size,
    flags("AT_", { EMPTY_PATH: AT.EMPTY_PATH, SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW }),
  ],
  nothing,
);

/** cachestat(2): `range` is a `struct cachestat_range`, `status` a `struct cachestat`. Since Linux 6.5. */
export const cachestat = define<[fd: Fd, range: Address, status: Address, flags: number], void>(
  "cachestat",
  [fd, input(unknown, "range"), output(unknown, "status"), flags()],
  nothing,
);
