import {
  AT,
  FSCONFIG,
  MNT,
  MOUNT_ATTR,
  MOVE_MOUNT,
  MS,
  OPEN_TREE,
  Uint64,
  UMOUNT_NOFOLLOW,
} from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, type DirectoryFd, type Fd, NULL } from "../identifiers.ts";
import { directory, fd, flags, input, int, oneOf, output, path, size } from "../kinds.ts";
import { array, bytes, cString, unknown } from "../Memory.ts";
import { countOf, newFd, nothing } from "../Result.ts";

/** mount(2). Arguments that a kind of mount does not use may be NULL. */
export const mount = define<
  [source: Address, target: Address, type: Address, flags: number, data: Address],
  void
>(
  "mount",
  [
    path.as("source"),
    path.as("target"),
    input(cString, "type"),
    flags("MS_", MS),
    input(cString, "data"),
  ],
  nothing,
);

/** umount2(2) */
export const umount2 = define<[target: Address, flags: number], void>(
  "umount2",
  [
    path.as("target"),
    flags("", {
      MNT_FORCE: MNT.FORCE,
      MNT_DETACH: MNT.DETACH,
      MNT_EXPIRE: MNT.EXPIRE,
      UMOUNT_NOFOLLOW,
    }),
  ],
  nothing,
);

const { EMPTY_PATH, NO_AUTOMOUNT, RECURSIVE, SYMLINK_NOFOLLOW } = AT;
const treeFlags = flags("", {
  OPEN_TREE_CLONE: OPEN_TREE.CLONE,
  OPEN_TREE_CLOEXEC: OPEN_TREE.CLOEXEC,
  AT_EMPTY_PATH: EMPTY_PATH,
  AT_NO_AUTOMOUNT: NO_AUTOMOUNT,
  AT_RECURSIVE: RECURSIVE,
  AT_SYMLINK_NOFOLLOW: SYMLINK_NOFOLLOW,
});
/** fsopen(2): gives a file system that is to be configured. */
export const fsopen = define<[type: Address, flags: number], Fd>(
  "fsopen",
  [input(cString, "type"), flags("FSOPEN_", { CLOEXEC: 1 })],
  newFd,
);

/** fsconfig(2): the meaning of `value` and `extra` depends on the command. */
export const fsconfig = define<
  [fd: Fd, command: number, key: Address, value: Address, extra: number],
  void
>(
  "fsconfig",
  [
    fd,
    oneOf("FSCONFIG_", FSCONFIG, "command"),
    input(cString, "key"),
    input(unknown, "value"),
    int.as("extra"),
  ],
  nothing,
);

/** fsmount(2): gives a mount that is not attached yet. */
export const fsmount = define<[fd: Fd, flags: number, attributes: number], Fd>(
  "fsmount",
  [fd, flags("FSMOUNT_", { CLOEXEC: 1 }), flags("MOUNT_ATTR_", MOUNT_ATTR).as("attributes")],
  newFd,
);

/** fspick(2): gives a mounted file system that is to be configured again. */
export const fspick = define<[directory: DirectoryFd, path: Address, flags: number], Fd>(
  "fspick",
  [
    directory,
    path,
    flags("FSPICK_", { CLOEXEC: 1, SYMLINK_NOFOLLOW: 2, NO_AUTOMOUNT: 4, EMPTY_PATH: 8 }),
  ],
  newFd,
);

/** move_mount(2) */
export const moveMount = define<
  [fromDirectory: DirectoryFd, from: Address, toDirectory: DirectoryFd, to: Address, flags: number],
  void
>(
  "move_mount",
  [
    directory.as("fromDirectory"),
    path.as("from"),
    directory.as("toDirectory"),
    path.as("to"),
    flags("MOVE_MOUNT_", MOVE_MOUNT),
  ],
  nothing,
);

/** open_tree(2): gives the mount at a path, or a copy of it. */
export const openTree = define<[directory: DirectoryFd, path: Address, flags: number], Fd>(
  "open_tree",
  [directory, path, treeFlags],
  newFd,
);

/** open_tree_attr(2): as open_tree, with a `struct mount_attr`. Since Linux 6.15. */
export const openTreeAttr = define<
  [directory: DirectoryFd, path: Address, flags: number, attributes?: Address, length?: number],
  Fd
>(
  "open_tree_attr",
  [directory, path, treeFlags, input(bytes(4), "attributes").or(NULL), size.or(0)],
  newFd,
);

/** mount_setattr(2): takes a `struct mount_attr`. */
export const mountSetattr = define<
  [directory: DirectoryFd, path: Address, flags: number, attributes: Address, length: number],
  void
>(
  "mount_setattr",
  [
    directory,
    path,
    flags("AT_", {
      EMPTY_PATH: AT.EMPTY_PATH,
      RECURSIVE: AT.RECURSIVE,
      SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW,
      NO_AUTOMOUNT: AT.NO_AUTOMOUNT,
    }),
    input(bytes(4), "attributes"),
    size,
  ],
  nothing,
);

/** statmount(2): `request` is a `struct mnt_id_req`. Since Linux 6.8. */
export const statmount = define<
  [request: Address, status: Address, length: number, flags: number],
  void
>("statmount", [input(unknown, "request"), output(bytes(2), "status"), size, flags()], nothing);

/** listmount(2): gives the number of 64-bit ids. `request` is a `struct mnt_id_req`. Since Linux 6.8. */
export const listmount = define<
  [request: Address, ids: Address, count: number, flags: number],
  number
>(
  "listmount",
  [input(unknown, "request"), output(array(Uint64, 2), "ids"), size.as("count"), flags()],
  countOf(2),
);
