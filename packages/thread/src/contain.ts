import { CLONE, SIG, SIG_IGN } from "@rsyscall/abi";
import { type HandleFailure, sigaction } from "@rsyscall/handle";
import { catchErrno, SyscallError } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { cloneThread } from "./clone.ts";
import type { Starter } from "./Starter.ts";
import type { ThreadFields } from "./ThreadFields.ts";

/** Whether all descendants of a child end with it. */
export interface ContainOptions {
  /**
   * Whether all descendants of the child end with it, no later than its scope, its parent and the controller.
   * That holds for all programs that they execute and all ids that they have, and also if their own parents have
   * ended. Default false.
   *
   * The child is in a new pid namespace then, whose first process belongs to rsyscall. When that process ends,
   * the kernel kills all others with SIGKILL; and it does end with its parent, because it never executes a
   * program and keeps its ids. It reaps orphans.
   *
   * Without CAP_SYS_ADMIN the child is in a new user namespace as well, which maps the effective ids to
   * themselves and no others: supplementary groups show as "nogroup", and set-user-ID programs do not change the
   * user. The child sees small pids, but a /proc that is not mounted anew shows those from outside. Containment
   * is not a sandbox: files, network and memory are as before.
   *
   * Fails as clone(2) does if the kernel refuses such namespaces, and with EINVAL together with `detached`.
   */
  readonly contain?: boolean;
}

const FLAGS = CLONE.FILES | CLONE.NEWPID;

/**
 * Makes the process that starts children in place of a Thread, so that they and all their descendants end with
 * the scope. It is the child of the first process of a new pid namespace. The first process ignores SIGCHLD, so
 * that the kernel discards the orphans that it gets; therefore it cannot wait for children of its own.
 *
 * Both processes share the Thread's descriptors: copies would keep pipes open.
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
