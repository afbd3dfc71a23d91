import { CloneArgs } from "@rsyscall/abi";
import { OP_CLONE } from "@rsyscall/wire";
import { define } from "./define.ts";
import type { Address, Pid } from "./identifiers.ts";
import { input } from "./kinds.ts";
import { unknown, value } from "./Memory.ts";
import { between } from "./Result.ts";

/**
 * clone3(2), or clone(2) where that is refused: makes a child that shares the memory of the task and serves system
 * calls on a stack of its own. It is an operation of the server, because a child could not return from a system
 * call.
 *
 * `args` is a `struct clone_args`, `child` a `struct rsyscall_child`, which must stay in place while the child serves.
 */
export const clone = define<[args: Address, child: Address], Pid>(
  "clone",
  [input(value(CloneArgs), "args"), input(unknown, "child")],
  between<Pid>(1, 2 ** 31 - 1, "pid"),
  { operation: OP_CLONE },
);
