import { AT, XATTR } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, DirectoryFd, Fd } from "../identifiers.ts";
import { directory, fd, flags, input, output, path, size } from "../kinds.ts";
import { bytes, cString } from "../Memory.ts";
import { between, nothing } from "../Result.ts";

/** setxattr(2): follows links. */
export const setxattr = define<
  [path: Address, name: Address, value: Address, length: number, flags: number],
  void
>(
  "setxattr",
  [path, input(cString, "name"), input(bytes(3), "value"), size, flags("XATTR_", XATTR)],
  nothing,
);

/** lsetxattr(2): does not follow links. */
export const lsetxattr = define<
  [path: Address, name: Address, value: Address, length: number, flags: number],
  void
>(
  "lsetxattr",
  [path, input(cString, "name"), input(bytes(3), "value"), size, flags("XATTR_", XATTR)],
  nothing,
);

/** fsetxattr(2) */
export const fsetxattr = define<
  [fd: Fd, name: Address, value: Address, length: number, flags: number],
  void
>(
  "fsetxattr",
  [fd, input(cString, "name"), input(bytes(3), "value"), size, flags("XATTR_", XATTR)],
  nothing,
);

/** getxattr(2): follows links. Gives the size of the value; with a length of 0 it writes nothing. */
export const getxattr = define<
  [path: Address, name: Address, value: Address, length: number],
  number
>("getxattr", [path, input(cString, "name"), output(bytes(3), "value"), size], between(0, 65536));

/** lgetxattr(2): does not follow links. */
export const lgetxattr = define<
  [path: Address, name: Address, value: Address, length: number],
  number
>("lgetxattr", [path, input(cString, "name"), output(bytes(3), "value"), size], between(0, 65536));

/** fgetxattr(2) */
export const fgetxattr = define<[fd: Fd, name: Address, value: Address, length: number], number>(
  "fgetxattr",
  [fd, input(cString, "name"), output(bytes(3), "value"), size],
  between(0, 65536),
);

/** listxattr(2): writes names, each with its NUL. Gives their size; with a length of 0 it writes nothing. */
export const listxattr = define<[path: Address, names: Address, length: number], number>(
  "listxattr",
  [path, output(bytes(2), "names"), size],
  between(0, 65536),
);

/** llistxattr(2): does not follow links. */
export const llistxattr = define<[path: Address, names: Address, length: number], number>(
  "llistxattr",
  [path, output(bytes(2), "names"), size],
  between(0, 65536),
);

/** flistxattr(2) */
export const flistxattr = define<[fd: Fd, names: Address, length: number], number>(
  "flistxattr",
  [fd, output(bytes(2), "names"), size],
  between(0, 65536),
);

/** removexattr(2): follows links. */
export const removexattr = define<[path: Address, name: Address], void>(
  "removexattr",
  [path, input(cString, "name")],
  nothing,
);

/** lremovexattr(2): does not follow links. */
export const lremovexattr = define<[path: Address, name: Address], void>(
  "lremovexattr",
  [path, input(cString, "name")],
  nothing,
);

/** fremovexattr(2) */
export const fremovexattr = define<[fd: Fd, name: Address], void>(
  "fremovexattr",
  [fd, input(cString, "name")],
  nothing,
);

/** setxattrat(2): `args` is a `struct xattr_args`. Since Linux 6.13. */
export const setxattrat = define<
  [
    directory: DirectoryFd,
    path: Address,
    flags: number,
    name: Address,
    args: Address,
    length: number,
  ],
  void
>(
  "setxattrat",
  [
    directory,
    path,
    flags("AT_", { EMPTY_PATH: AT.EMPTY_PATH, SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW }),
    input(cString, "name"),
    input(bytes(5), "args"),
    size,
  ],
  nothing,
);

/** getxattrat(2): `args` is a `struct xattr_args`. Since Linux 6.13. */
export const getxattrat = define<
  [
    directory: DirectoryFd,
    path: Address,
    flags: number,
    name: Address,
    args: Address,
    length: number,
  ],
  number
>(
  "getxattrat",
  [
    directory,
    path,
    flags("AT_", { EMPTY_PATH: AT.EMPTY_PATH, SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW }),
    input(cString, "name"),
    input(bytes(5), "args"),
    size,
  ],
  between(0, 65536),
);

/** listxattrat(2): writes names, each with its NUL. Since Linux 6.13. */
export const listxattrat = define<
  [directory: DirectoryFd, path: Address, flags: number, names: Address, length: number],
  number
>(
  "listxattrat",
  [
    directory,
    path,
    flags("AT_", { EMPTY_PATH: AT.EMPTY_PATH, SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW }),
    output(bytes(4), "names"),
    size,
  ],
  between(0, 65536),
);

/** removexattrat(2). Since Linux 6.13. */
export const removexattrat = define<
  [directory: DirectoryFd, path: Address, flags: number, name: Address],
  void
>(
  "removexattrat",
  [
    directory,
    path,
    flags("AT_", { EMPTY_PATH: AT.EMPTY_PATH, SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW }),
    input(cString, "name"),
  ],
  nothing,
);
