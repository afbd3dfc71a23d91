import { PR } from "@rsyscall/abi";
import { define } from "../define.ts";
import { nameOf } from "../Format.ts";
import { oneOf, word } from "../kinds.ts";
import { someInt } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

/**
 * prctl(2). Some operations require zeros for unused arguments. Not prompt: it is many calls in one.
 */
export const prctl = define<[operation: number, a?: Word, b?: Word, c?: Word, d?: Word], number>(
  "prctl",
  [
    oneOf("PR_", PR, "operation"),
    word.as("a").or(0),
    word.as("b").or(0),
    word.as("c").or(0),
    word.as("d").or(0),
  ],
  someInt,
  { about: (operation) => nameOf("PR_", PR, operation) },
);
