import { AT, STATX, Statx, Timespec } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, DirectoryFd, Fd } from "../identifiers.ts";
import { directory, fd, flags, input, mode, output, path, uint } from "../kinds.ts";
import { array, value } from "../Memory.ts";
import { between, nothing } from "../Result.ts";
import { fdOfEmptyPath } from "../SyscallDefinition.ts";

const { EMPTY_PATH, NO_AUTOMOUNT, SYMLINK_NOFOLLOW, STATX_DONT_SYNC, STATX_FORCE_SYNC } = AT;
const status = output(
  value(({ stat }) => stat),
  "status",
);

/** fstat(2): the layout is `abi.stat` of the task. */
export const fstat = define<[fd: Fd, status: Address], void>("fstat", [fd, status], nothing);

/** newfstatat, the system call behind fstatat(2). */
export const fstatat = define<
  [directory: DirectoryFd, path: Address, status: Address, flags: number],
  void
>(
  "newfstatat",
  [directory, path, status, flags("AT_", { EMPTY_PATH, NO_AUTOMOUNT, SYMLINK_NOFOLLOW })],
  nothing,
  { about: fdOfEmptyPath(3) },
);

/** statx(2): writes the fields that `mask` (`STATX`) asks for, and others that are available at no cost. */
export const statx = define<
  [directory: DirectoryFd, path: Address, flags: number, mask: number, status: Address],
  void
>(
  "statx",
  [
    directory,
    path,
    flags("AT_", {
      EMPTY_PATH,
      NO_AUTOMOUNT,
      SYMLINK_NOFOLLOW,
      STATX_DONT_SYNC,
      STATX_FORCE_SYNC,
    }),
    flags("STATX_", STATX).as("mask"),
    output(value(Statx), "status"),
  ],
  nothing,
  { about: fdOfEmptyPath(2) },
);

/** mkdirat(2) */
export const mkdirat = define<[directory: DirectoryFd, path: Address, mode: number], void>(
  "mkdirat",
  [directory, path, mode],
  nothing,
);

/** fchmod(2) */
export const fchmod = define<[fd: Fd, mode: number], void>("fchmod", [fd, mode], nothing);

/** fchmodat(2), which has no flags: links are followed. */
export const fchmodat = define<[directory: DirectoryFd, path: Address, mode: number], void>(
  "fchmodat",
  [directory, path, mode],
  nothing,
);

/** fchmodat2(2), with flags; exists from Linux 6.6 on. */
export const fchmodat2 = define<
  [directory: DirectoryFd, path: Address, mode: number, flags: number],
  void
>("fchmodat2", [directory, path, mode, flags("AT_", { EMPTY_PATH, SYMLINK_NOFOLLOW })], nothing, {
  about: fdOfEmptyPath(3),
});

/** umask(2): gives the previous mask. */
export const umask = define<[mask: number], number>(
  "umask",
  [mode.as("mask")],
  between(0, 0o777, "octal"),
  { prompt: true },
);

/** utimensat(2): takes two timespecs, of the last access and the last change; NULL sets both to now. */
export const utimensat = define<
  [directory: DirectoryFd, path: Address, times: Address, flags: number],
  void
>(
  "utimensat",
  [
    directory,
    path,
    input(array(Timespec, { exactly: 2 }), "times"),
    flags("AT_", { EMPTY_PATH, SYMLINK_NOFOLLOW }),
  ],
  nothing,
  { about: fdOfEmptyPath(3) },
);

/** mknodat(2): `device` is only used for device files. */
export const mknodat = define<
  [directory: DirectoryFd, path: Address, mode: number, device: number],
  void
>("mknodat", [directory, path, mode, uint.as("device")], nothing);
