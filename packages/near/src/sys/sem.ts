import { Timespec } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, input, int, uint, word } from "../kinds.ts";
import { unknown, value } from "../Memory.ts";
import { between, nothing } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

/** semget(2) */
export const semget = define<[key: number, count: number, flags: number], number>(
  "semget",
  [int.as("key"), int.as("count"), flags("IPC_", { CREAT: 0o1000, EXCL: 0o2000 })],
  between(0, 2 ** 31 - 1),
);

/** semop(2): takes `count` `struct sembuf`s. */
export const semop = define<[id: number, operations: Address, count: number], void>(
  "semop",
  [int.as("id"), input(unknown, "operations"), uint.as("count")],
  nothing,
);

/** semtimedop(2): takes `count` `struct sembuf`s. */
export const semtimedop = define<
  [id: number, operations: Address, count: number, timeout: Address],
  void
>(
  "semtimedop",
  [int.as("id"), input(unknown, "operations"), uint.as("count"), input(value(Timespec), "timeout")],
  nothing,
);

/** semctl(2): the meaning of the argument depends on the command. */
export const semctl = define<[id: number, index: number, command: number, argument?: Word], number>(
  "semctl",
  [int.as("id"), int.as("index"), int.as("command"), word.or(0)],
  between(0, 2 ** 31 - 1),
);
