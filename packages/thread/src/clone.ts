import { CLONE, SIG } from "@rsyscall/abi";
import {
  type Connection,
  SharedTableConnection,
  type SyscallConnection,
} from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import {
  type Cloned,
  clone,
  effectiveIds,
  type FdTable,
  FileDescriptor,
  type HandleFailure,
  learnNamespaces,
  type MallocFailure,
  Socket,
  Task,
  type UserMapping,
  writeUserMapping,
} from "@rsyscall/handle";
import { Fd, getpid, InvalidArgumentError, type Pid } from "@rsyscall/near";
import { Effect, Exit, Scope } from "effect";
import { abandon } from "./abandon.ts";
import { ChildProcess } from "./ChildProcess.ts";
import { makeEpoller } from "./epoller.ts";
import { NativeLoader } from "./NativeLoader.ts";
import { once } from "./once.ts";
import type { Starter } from "./Starter.ts";
import type { ThreadFields } from "./ThreadFields.ts";
import { isOurs, openWires, type Wires } from "./Wires.ts";

/** What a child is made with. */
export interface CloneChildOptions {
  /**
   * Whether the child outlives its scope, its parent and the controller. Until it has become a program it still
   * ends with them: no process could tell it what to do.
   */
  readonly detached?: boolean;
  /**
   * With CLONE.NEWUSER: the ids that the child has inside. Default: the effective ids of its parent; `false` maps
   * none.
   */
  readonly user?: UserMapping["inside"] | false;
}

/** A child that serves, and the parts of its Thread. */
interface Made {
  readonly fields: ThreadFields;
  readonly process: ChildProcess;
}

/**
 * Makes a child of a thread, which serves system calls in the same memory. Unless it is detached, the scope kills
 * it, and the kernel kills it when the parent dies for any reason.
 */
export const cloneThread = (
  parent: Starter,
  flags: number,
  { detached = false, user }: CloneChildOptions = {},
): Effect.Effect<Made, HandleFailure, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.scope, (outer): Effect.Effect<Made, HandleFailure> => {
      // Else the child would silently have the ids of its parent.
      if (typeof user === "object" && (flags & CLONE.NEWUSER) === 0)
        return Effect.fail(
          new InvalidArgumentError({
            syscall: "clone",
            argument: "user",
            value: user,
            expected: "left out without CLONE.NEWUSER, because only a new user namespace maps ids",
          }),
        );
      // The channels close with the caller's scope, or as soon as the child serves no longer.
      const scope = Scope.forkUnsafe(outer);
      // Holds what is open for the child, for as long as the child exists.
      const life = Scope.forkUnsafe(detached ? parent.scope : outer);
      const ids =
        flags & CLONE.NEWUSER && user !== false
          ? effectiveIds(parent.task)
          : Effect.succeed(undefined);
      const made = Effect.flatMap(Effect.andThen(parent.beforeChildren(), ids), (ids) =>
        Effect.flatMap(openWires(parent, flags, scope), (wires) => {
          const table = parent.task.fdTable;
          const fdTable = flags & CLONE.FILES ? table : table.copy(parent.task.pid);
          let sysif!: SyscallConnection;
          const cloned = clone(parent.task, {
            flags,
            serverFd: wires.far[0],
            hasRing: parent.memory !== undefined,
            // A child watches its ring for a moment before it sleeps: so that it finds the first request there, what
            // need not wait for the child is done before.
            before: (ring) =>
              Effect.map(wires.connect(ring), (connected) => {
                sysif = connected;
              }),
            kept: wires.far,
            deathSignal: detached ? undefined : SIG.KILL,
          });
          // This runs while the child starts.
          return Effect.flatMap(Scope.provide(cloned, life), (cloned) =>
            Effect.onError(
              finish(
                parent,
                flags,
                { fdTable, wires, cloned, sysif, scope, life, outer },
                {
                  detached,
                  ids,
                  user,
                },
              ),
              () => abandon(cloned),
            ),
          );
        }),
      );
      return Effect.onError(made, () =>
        Effect.andThen(Scope.close(scope, Exit.void), Scope.close(life, Exit.void)),
      );
    }),
  );

/** What there is of a child that was just made. */
interface Begun {
  readonly fdTable: FdTable;
  readonly wires: Wires;
  readonly cloned: Cloned;
  readonly sysif: SyscallConnection;
  readonly scope: Scope.Closeable;
  readonly life: Scope.Closeable;
  readonly outer: Scope.Scope;
}

/** Puts the Thread of a child together, and watches the child. */
const finish = Effect.fnUntraced(function* (
  parent: Starter,
  flags: number,
  begun: Begun,
  {
    detached,
    ids,
    user,
  }: Required<Pick<CloneChildOptions, "detached">> & {
    readonly ids: UserMapping["outside"] | undefined;
    readonly user: CloneChildOptions["user"];
  },
): Effect.fn.Return<Made, HandleFailure> {
  const { cloned, sysif, life, outer, wires } = begun;
  sysif.subject = `pid ${cloned.pid}`;
  sysif.closeAtEnd(begun.scope);
  // In another pid namespace the child has a number of its own.
  const isElsewhere = flags & CLONE.NEWPID || parent.task.isOutsideOfChildren;
  const fields = assemble(parent, begun, isElsewhere ? yield* getpid(sysif) : cloned.pid);
  const { task } = fields;
  yield* wires.handOver();
  task.atLeave(cloned.freeStack());
  const process = yield* ChildProcess.watch(
    parent,
    { ...cloned, life },
    Effect.andThen(lastWords(task, sysif), task.leave()),
  );
  sysif.subject = process;
  if (!detached) yield* Scope.addFinalizerExit(outer, () => process.killAndWait());
  if (ids !== undefined)
    yield* writeUserMapping(task, { outside: ids, ...(user && { inside: user }) });
  yield* learnChildNamespaces(parent.task, task, flags);
  return { fields, process };
});

/**
 * Ends the connection to a child that has ended, after the answers that it has sent: the end of its socket tells
 * of an exec. In a table that other tasks share, the child's end of the socket is still open.
 */
const lastWords = (task: Task, connection: SyscallConnection): Effect.Effect<void> =>
  Effect.suspend(() =>
    task.fdTable.isOnlyOf(task)
      ? connection.closeSoon()
      : Effect.sync(() => connection.failAtEnd()),
  );

/** Puts the parts of a child's Thread together. */
const assemble = (
  parent: Starter,
  { fdTable, wires, cloned, sysif, scope }: Begun,
  pid: Pid,
): ThreadFields => {
  const {
    allocator,
    addressSpace,
    namespaces,
    childNamespaces,
    pageSize,
    sigmask,
    programSignals,
  } = parent.task;
  const task = new Task({
    sysif,
    pid,
    fdTable,
    addressSpace,
    // A task that shares memory shares its clock: only an exec moves it to the other time namespace.
    namespaces: { ...childNamespaces, time: namespaces.time },
    allocator: isOurs(parent) ? allocator.lend(sysif) : allocator.share(sysif),
    pageSize,
    sigmask,
    programSignals: programSignals.forChild(),
    decorators: parent.task.inheritedDecorators,
    outerPid: cloned.pid,
  });
  task.childNamespaces = childNamespaces;
  // The child has these, or copies of them; the parent has no use for them.
  const ends = wires.far.map((fd) => {
    const own = new Socket(task, fd);
    own.closeOnFork = true;
    return own;
  });
  const connection: Connection =
    wires.passing === undefined
      ? new SharedTableConnection(parent.connection, parent.task, task)
      : parent.connection.extendTo(wires.passing, ends.at(-1) as Socket);
  const stdio = (fd: number) => new FileDescriptor(task, Fd(fd));
  let epoller: Effect.Effect<Epoller, HandleFailure> | undefined;
  return {
    task,
    connection,
    memory: parent.memory,
    loader: NativeLoader.makeFromSymbols(task, { server: parent.loader.server.address }),
    epoller: () => (epoller ??= once(Scope.provide(makeEpoller(task, connection), scope))),
    environ: parent.environ.copy(),
    stdin: stdio(0),
    stdout: stdio(1),
    stderr: stdio(2),
    scope,
    beforeChildren: () => Effect.void,
    ancestor: parent.ancestor,
  };
};

/** Learns the namespaces of a child: those of its parent's children, except for the ones that it has anew. */
const learnChildNamespaces = (
  parent: Task,
  child: Task,
  flags: number,
): Effect.Effect<void, MallocFailure> => {
  // A pid namespace cannot be seen before it has a first process.
  const isFirst = parent.childNamespaces.pid.id === undefined && !(flags & CLONE.NEWPID);
  return Effect.map(learnNamespaces(child, isFirst ? flags | CLONE.NEWPID : flags), () => {
    if (isFirst) parent.childNamespaces = { ...parent.childNamespaces, pid: child.namespaces.pid };
  });
};
