import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fd, output, path } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** statfs(2): a `struct statfs`, of 120 bytes. */
export const statfs = define<[path: Address, status: Address], void>(
  "statfs",
  [path, output(unknown, "status")],
  nothing,
  { restarts: true },
);

/** fstatfs(2): a `struct statfs`, of 120 bytes. */
export const fstatfs = define<[fd: Fd, status: Address], void>(
  "fstatfs",
  [fd, output(unknown, "status")],
  nothing,
  { restarts: true },
);
