import { MFD } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { flags, input } from "../kinds.ts";
import { cString } from "../Memory.ts";
import { newFd } from "../Result.ts";

/** memfd_create(2): the name only appears in /proc. */
export const memfdCreate = define<[name: Address, flags: number], Fd>(
  "memfd_create",
  [input(cString, "name"), flags("MFD_", MFD)],
  newFd,
  { prompt: true },
);
