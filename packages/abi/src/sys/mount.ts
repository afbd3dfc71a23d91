/** Flags of mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOSYMFOLLOW: 256,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  SILENT: 32768,
  POSIXACL: 1 << 16,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
  STRICTATIME: 1 << 24,
  LAZYTIME: 1 << 25,
} as const;

/** Flags of umount2(2). */
export const MNT = { FORCE: 1, DETACH: 2, EXPIRE: 4 } as const;

/** A flag of umount2(2): a symbolic link is not followed. */
export const UMOUNT_NOFOLLOW = 8;

/** Commands of fsconfig(2). */
export const FSCONFIG = {
  SET_FLAG: 0,
  SET_STRING: 1,
  SET_BINARY: 2,
  SET_PATH: 3,
  SET_PATH_EMPTY: 4,
  SET_FD: 5,
  CMD_CREATE: 6,
  CMD_RECONFIGURE: 7,
  CMD_CREATE_EXCL: 8,
} as const;

/** Attributes of a mount. See fsmount(2), mount_setattr(2). */
export const MOUNT_ATTR = {
  RDONLY: 0x01,
  NOSUID: 0x02,
  NODEV: 0x04,
  NOEXEC: 0x08,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  IDMAP: 0x100000,
  NOSYMFOLLOW: 0x200000,
} as const;

/** Flags of move_mount(2): `F_` of the path from, `T_` of the path to. */
export const MOVE_MOUNT = {
  F_SYMLINKS: 0x001,
  F_AUTOMOUNTS: 0x002,
  F_EMPTY_PATH: 0x004,
  T_SYMLINKS: 0x010,
  T_AUTOMOUNTS: 0x020,
  T_EMPTY_PATH: 0x040,
  SET_GROUP: 0x100,
  BENEATH: 0x200,
} as const;

/** Flags of open_tree(2), beside those of `AT`. */
export const OPEN_TREE = { CLONE: 1, CLOEXEC: 0o2000000 } as const;
