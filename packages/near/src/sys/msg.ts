import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { flags, inout, input, int, output, size, word } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { between, countOf, nothing } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

/** msgget(2) */
export const msgget = define<[key: number, flags: number], number>(
  "msgget",
  [int.as("key"), flags("IPC_", { CREAT: 0o1000, EXCL: 0o2000 })],
  between(0, 2 ** 31 - 1),
);

/** msgsnd(2): `message` is a 64-bit type and `length` bytes. */
export const msgsnd = define<[id: number, message: Address, length: number, flags: number], void>(
  "msgsnd",
  [int.as("id"), input(unknown, "message"), size, flags("IPC_", { NOWAIT: 0o4000 })],
  nothing,
);

/** msgrcv(2): writes a 64-bit type and at most `length` bytes. */
export const msgrcv = define<
  [id: number, message: Address, length: number, type: Word, flags: number],
  number
>(
  "msgrcv",
  [
    int.as("id"),
    output(unknown, "message"),
    size,
    word.as("type"),
    flags("IPC_", { NOWAIT: 0o4000 }),
  ],
  countOf(2),
);

/** msgctl(2) */
export const msgctl = define<[id: number, command: number, buffer: Address], number>(
  "msgctl",
  [int.as("id"), int.as("command"), inout(unknown, "buffer")],
  between(0, 2 ** 31 - 1),
);
