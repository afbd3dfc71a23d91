import { CLONE, SIG, SIG_IGN } from "@rsyscall/abi";
import { type HandleFailure, sigaction } from "@rsyscall/handle";
import { catchErrno, SyscallError } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { cloneThread } from "./clone.ts";
import type { Starter } from "./Starter.ts";
import type { ThreadFields } from "./ThreadFields.ts";

export interface ContainOptions {
  /**
   * Whether all descendants of the child end with it: no later than its scope, its parent and the controller,
   * whatever they execute, with whatever ids, and also when their own parents have ended. Default false.
   *
   * The child is in a new pid namespace then, with a process of ours as the first one. When that ends,
   * the kernel kills all others with SIGKILL; and it does end with its parent, because it never executes
   * anything and keeps its ids. It reaps orphans.
   *
   * Without CAP_SYS_ADMIN it is in a new user namespace as well, in which the effective ids mean
   * themselves and there are no others: supplementary groups show as "nogroup", and set-user-ID programs
   * give no other user. The child sees small pids, but in a /proc that is not mounted anew those from
   * outside. It is no sandbox: files, network and memory are what they were.
   *
   * Fails as clone(2) does where the kernel gives no such namespaces, and with EINVAL together with
   * `detached`.
   */
  readonly contain?: boolean;
}

const FLAGS = CLONE.FILES | CLONE.NEWPID;

/**
 * What starts children in place of a Thread, so that they and all that comes of them end with the scope:
 * the child of the first process of a new pid namespace. That one ignores SIGCHLD, so that the kernel
 * forgets the orphans that it gets; which is why it cannot be asked for the end of a child of its own.
 *
 * Both share the Thread's descriptors: copies in them would keep pipes open.
 */
export const containment = Effect.fnUntraced(function* (
  parent: ThreadFields,
): Effect.fn.Return<Starter, HandleFailure, Scope.Scope> {
  const { fields: init } = yield* cloneThread(parent, FLAGS).pipe(
    catchErrno("EPERM", () => cloneThread(parent, FLAGS | CLONE.NEWUSER)),
    Effect.mapError((error) =>
      error instanceof SyscallError && error.explanation !== undefined
        ? error.because(`to contain a child takes a pid namespace: ${error.explanation}`)
        : error,
    ),
  );
  yield* sigaction(init.task, SIG.CHLD, { handler: SIG_IGN });
  init.task.programSignals.defaulted.add(SIG.CHLD);
  const { fields } = yield* cloneThread(init, CLONE.FILES);
  return { ...parent, task: fields.task, outside: parent.task };
});
