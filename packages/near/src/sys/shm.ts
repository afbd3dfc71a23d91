import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, inout, input, int, size } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { between, newAddress, nothing } from "../Result.ts";

/** shmget(2) */
export const shmget = define<[key: number, length: number, flags: number], number>(
  "shmget",
  [int.as("key"), size, flags("IPC_", { CREAT: 0o1000, EXCL: 0o2000 })],
  between(0, 2 ** 31 - 1),
);

/** shmat(2) */
export const shmat = define<[id: number, address: Address, flags: number], Address>(
  "shmat",
  [
    int.as("id"),
    input(unknown, "address"),
    flags("SHM_", { RDONLY: 0o10000, RND: 0o20000, REMAP: 0o40000, EXEC: 0o100000 }),
  ],
  newAddress,
);

/** shmdt(2) */
export const shmdt = define<[address: Address], void>(
  "shmdt",
  [input(unknown, "address")],
  nothing,
);

/** shmctl(2) */
export const shmctl = define<[id: number, command: number, buffer: Address], number>(
  "shmctl",
  [int.as("id"), int.as("command"), inout(unknown, "buffer")],
  between(0, 2 ** 31 - 1),
);
