import { Statfs } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fd, output, path } from "../kinds.ts";
import { value } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** statfs(2): a `struct statfs`: see `Statfs`. */
export const statfs = define<[path: Address, status: Address], void>(
  "statfs",
  [path, output(value(Statfs), "status")],
  nothing,
  { restarts: true },
);

/** fstatfs(2): a `struct statfs`: see `Statfs`. */
export const fstatfs = define<[fd: Fd, status: Address], void>(
  "fstatfs",
  [fd, output(value(Statfs), "status")],
  nothing,
  { restarts: true },
);
