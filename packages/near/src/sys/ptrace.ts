import { define } from "../define.ts";
import type { PidLike } from "../identifiers.ts";
import { int, pid, word } from "../kinds.ts";
import { someOffset } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

/** ptrace(2): the meaning of the arguments and of the result depends on the request. */
export const ptrace = define<[request: number, pid: PidLike, address: Word, data: Word], number>(
  "ptrace",
  [int.as("request"), pid, word.as("address"), word.as("data")],
  someOffset,
);
