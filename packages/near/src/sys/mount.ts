import { MNT, MS, UMOUNT_NOFOLLOW } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, input, path } from "../kinds.ts";
import { cString } from "../Memory.ts";
import { nothing } from "../Result.ts";

/** mount(2). What a kind of mount has no use for may be NULL. */
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
