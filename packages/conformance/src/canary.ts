import { getpid } from "@rsyscall/near";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { equal } from "./internal/expect.ts";
import { newThread } from "./internal/subject.ts";

/**
 * The least that a transport does: it makes a Thread, which performs a system call. If this fails, so do all others, so
 * it is checked first.
 */
export const canary: Behaviour = topic("canary", [
  behaviour("makes a Thread that performs a system call", [], function* () {
    const { task } = yield* newThread;
    equal(yield* getpid(task.sysif), task.pid, "the result of getpid");
  }),
])[0] as Behaviour;
