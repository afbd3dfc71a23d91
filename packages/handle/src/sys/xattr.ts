import { CString } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import { argument, bytes, checked, checkedCount, encoded } from "../internal/checked.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";

/** Bytes that are asked for first: most values and lists are short. */
const USUAL = 1024;

/** XATTR_SIZE_MAX and XATTR_LIST_MAX: the kernel has no longer ones. */
const LARGEST = 65536;

/** The calls for one way to name a file: by its path, by a link itself, or by a descriptor. */
interface Calls<File> {
  readonly get: (
    sysif: near.SyscallInterface,
    file: File,
    name: near.Address,
    value: near.Address,
    length: number,
  ) => near.Syscall<number>;
  readonly set: (
    sysif: near.SyscallInterface,
    file: File,
    name: near.Address,
    value: near.Address,
    length: number,
    flags: number,
  ) => near.Syscall<void>;
  readonly list: (
    sysif: near.SyscallInterface,
    file: File,
    names: near.Address,
    length: number,
  ) => near.Syscall<number>;
  readonly remove: (
    sysif: near.SyscallInterface,
    file: File,
    name: near.Address,
  ) => near.Syscall<void>;
}

const ofPath: Calls<near.Address> = {
  get: near.getxattr,
  set: near.setxattr,
  list: near.listxattr,
  remove: near.removexattr,
};

const ofLink: Calls<near.Address> = {
  get: near.lgetxattr,
  set: near.lsetxattr,
  list: near.llistxattr,
  remove: near.lremovexattr,
};

const ofFd: Calls<near.Fd> = {
  get: near.fgetxattr,
  set: near.fsetxattr,
  list: near.flistxattr,
  remove: near.fremovexattr,
};

const withName = <A, E>(
  task: Task,
  syscall: string,
  name: string,
  use: (name: near.Address) => Effect.Effect<A, E>,
): Effect.Effect<A, E | MallocFailure> =>
  Effect.flatMap(encoded<string | Uint8Array>(syscall, "name", CString, name), (bytes) =>
    task.withBytes(bytes, use),
  );

/** Reads what a call writes, with a larger buffer if it is ERANGE. */
const readSome = (
  task: Task,
  syscall: string,
  fill: (buffer: near.Address, size: number) => near.Syscall<number>,
  size = USUAL,
): Effect.Effect<Uint8Array, MallocFailure> =>
  task
    .withMemory(size, 1, (buffer) =>
      Effect.flatMap(checkedCount(syscall, fill(buffer, size), size), (count) =>
        count === 0 ? Effect.succeed(new Uint8Array(0)) : task.sysif.read(buffer, count),
      ),
    )
    .pipe(
      near.catchErrno("ERANGE", (error) =>
        size === LARGEST ? Effect.fail(error) : readSome(task, syscall, fill, LARGEST),
      ),
    );

const operations = <File>({ get, set, list, remove }: Calls<File>) => ({
  get: (task: Task, file: File, name: string): Effect.Effect<Uint8Array, MallocFailure> =>
    withName(task, "getxattr", name, (address) =>
      readSome(task, "getxattr", (buffer, size) => get(task.sysif, file, address, buffer, size)),
    ),
  set: (
    task: Task,
    file: File,
    name: string,
    value: Uint8Array,
    flags: number,
  ): Effect.Effect<void, MallocFailure> =>
    checked(
      "setxattr",
      [argument("value", value, bytes)],
      withName(task, "setxattr", name, (address) =>
        Effect.suspend(() =>
          task.withBytes(value, (at) => set(task.sysif, file, address, at, value.length, flags)),
        ),
      ),
    ),
  list: (task: Task, file: File): Effect.Effect<ReadonlyArray<string>, MallocFailure> =>
    Effect.map(
      readSome(task, "listxattr", (buffer, size) => list(task.sysif, file, buffer, size)),
      namesIn,
    ),
  remove: (task: Task, file: File, name: string): Effect.Effect<void, MallocFailure> =>
    withName(task, "removexattr", name, (address) => remove(task.sysif, file, address)),
});

/** Names, each with its NUL. */
const namesIn = (bytes: Uint8Array): ReadonlyArray<string> => {
  const names: Array<string> = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    names.push(CString.decode(bytes.subarray(at, end < 0 ? undefined : end)));
    at = end < 0 ? bytes.length : end + 1;
  }
  return names;
};

const byPath = operations(ofPath);
const byLink = operations(ofLink);

/** The calls by descriptor, for the methods of `FileDescriptor`. */
export const byFd = operations(ofFd);

/**
 * getxattr(2): an extended attribute of a file. ENODATA if it has no such attribute.
 *
 * @param name with its namespace: "user.comment". See xattr(7).
 */
export const getxattr = (
  { task }: TaskLike,
  path: near.PathLike,
  name: string,
): Effect.Effect<Uint8Array, MallocFailure> =>
  task.withPath("getxattr", path, (file) => byPath.get(task, file, name));

/** lgetxattr(2): as `getxattr`, of a link itself. */
export const lgetxattr = (
  { task }: TaskLike,
  path: near.PathLike,
  name: string,
): Effect.Effect<Uint8Array, MallocFailure> =>
  task.withPath("lgetxattr", path, (file) => byLink.get(task, file, name));

/**
 * setxattr(2): sets an extended attribute of a file. "trusted." names take CAP_SYS_ADMIN, "security.capability"
 * CAP_SETFCAP; "user." ones are for regular files and directories alone.
 *
 * @param value at most 65536 bytes
 * @param flags of `XATTR`: whether the attribute must be new, or must exist
 */
export const setxattr = (
  { task }: TaskLike,
  path: near.PathLike,
  name: string,
  value: Uint8Array,
  flags = 0,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("setxattr", path, (file) => byPath.set(task, file, name, value, flags));

/** lsetxattr(2): as `setxattr`, of a link itself, which has no "user." attributes. */
export const lsetxattr = (
  { task }: TaskLike,
  path: near.PathLike,
  name: string,
  value: Uint8Array,
  flags = 0,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("lsetxattr", path, (file) => byLink.set(task, file, name, value, flags));

/** listxattr(2): the names of the extended attributes of a file, in no order. "trusted." ones take CAP_SYS_ADMIN. */
export const listxattr = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<ReadonlyArray<string>, MallocFailure> =>
  task.withPath("listxattr", path, (file) => byPath.list(task, file));

/** llistxattr(2): as `listxattr`, of a link itself. */
export const llistxattr = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<ReadonlyArray<string>, MallocFailure> =>
  task.withPath("llistxattr", path, (file) => byLink.list(task, file));

/** removexattr(2): ENODATA if the file has no such attribute. */
export const removexattr = (
  { task }: TaskLike,
  path: near.PathLike,
  name: string,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("removexattr", path, (file) => byPath.remove(task, file, name));

/** lremovexattr(2): as `removexattr`, of a link itself. */
export const lremovexattr = (
  { task }: TaskLike,
  path: near.PathLike,
  name: string,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("lremovexattr", path, (file) => byLink.remove(task, file, name));
