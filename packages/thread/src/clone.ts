import { CLONE, SIG } from "@rsyscall/abi";
import {
  type Connection,
  FdPassConnection,
  SharedMemoryTransport,
  SharedTableConnection,
  SocketMemoryTransport,
  SyscallConnection,
} from "@rsyscall/connection";
import { AsyncFileDescriptor } from "@rsyscall/epoller";
import {
  clone,
  effectiveIds,
  FileDescriptor,
  type HandleFailure,
  learnNamespaces,
  Socket,
  Task,
  type UserMapping,
  writeUserMapping,
} from "@rsyscall/handle";
import { Fd, getpid } from "@rsyscall/near";
import { Effect, Exit, Scope } from "effect";
import { ChildProcess } from "./ChildProcess.ts";
import { makeEpoller } from "./epoller.ts";
import { NativeLoader } from "./NativeLoader.ts";
import type { ThreadFields } from "./ThreadFields.ts";

export interface CloneThreadOptions {
  /**
   * Whether the child outlives its scope, its parent and the controller. As long as it has not become
   * a program it still ends with them: nobody could tell it what to do.
   */
  readonly detached?: boolean;
  /**
   * With CLONE.NEWUSER: the ids that the child has inside. Default: those with which its parent acts;
   * `false` maps none.
   */
  readonly user?: UserMapping["inside"] | false;
}

/**
 * A child of a thread, which serves system calls in the same memory. The scope kills it, unless it is
 * detached; and whatever the parent dies of, so does the child.
 */
export const cloneThread = (
  parent: ThreadFields,
  flags: number,
  { detached = false, user }: CloneThreadOptions,
): Effect.Effect<{ fields: ThreadFields; process: ChildProcess }, HandleFailure, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const outer = yield* Effect.scope;
      // The channels close with the caller's scope, or as soon as the child serves no longer.
      const scope = yield* Scope.fork(outer);
      return yield* Effect.gen(function* () {
        const ids =
          flags & CLONE.NEWUSER && user !== false ? yield* effectiveIds(parent.task) : undefined;
        yield* parent.beforeChildren;
        const channels = yield* openChannels(parent, flags);
        const sysif = yield* connect(parent, channels);

        const far = channels.all.map(([, end]) => end);
        const table = parent.task.fdTable;
        const fdTable = flags & CLONE.FILES ? table : table.copy(parent.task.pid);
        const watchScope = detached ? parent.scope : outer;
        const cloned = yield* Scope.provide(
          clone(parent.task, {
            flags,
            serverFd: channels.syscalls[1].near,
            kept: far.map(({ near }) => near),
            deathSignal: detached ? undefined : SIG.KILL,
            defaultSignals: parent.ignoredSignals,
          }),
          watchScope,
        );
        const { pid, pidfd, freeStack } = cloned;
        // The number that we have is the parent's; in another pid namespace the child has its own.
        const ownPid =
          flags & CLONE.NEWPID || parent.task.isOutsideOfChildren ? yield* getpid(sysif) : pid;
        const { allocator, addressSpace, childNamespaces, pageSize, sigmask } = parent.task;
        const task = new Task({
          sysif,
          pid: ownPid,
          fdTable,
          addressSpace,
          // Who shares memory shares its clock: only an exec moves it to the other time namespace.
          namespaces: { ...childNamespaces, time: parent.task.namespaces.time },
          allocator: channels.data === undefined ? allocator : allocator.share(sysif),
          pageSize,
          sigmask,
        });
        // The child has these, or copies of them; the parent has no use for them.
        const ownEnd = (end: Socket) => {
          const own = new Socket(task, end.near);
          own.closeOnFork = true;
          return own;
        };
        const own = new Map(far.map((end) => [end, ownEnd(end)]));
        yield* Effect.forEach(far, (end) => end.release, { discard: true });

        task.atLeave(freeStack);
        const process = yield* ChildProcess.watch(
          parent.connection,
          cloned,
          Effect.andThen(sysif.close, task.leave),
        ).pipe(
          Scope.provide(watchScope),
          Effect.onError(() => Effect.ignore(pidfd.sendSignal(SIG.KILL))),
        );
        if (!detached) yield* Scope.addFinalizer(outer, process.killAndWait);
        // A scope cannot be closed by a fiber of its own.
        yield* Effect.sync(() =>
          Effect.runFork(Effect.andThen(sysif.ended, Scope.close(scope, Exit.void))),
        );

        const connection: Connection =
          channels.passing === undefined
            ? new SharedTableConnection(parent.connection, parent.task, task)
            : new FdPassConnection(
                channels.passing[0],
                parent.connection.accessEpoller,
                own.get(channels.passing[1]) as Socket,
              );
        const stdio = (fd: number) => new FileDescriptor(task, Fd(fd));
        const fields: ThreadFields = {
          task,
          connection,
          loader: NativeLoader.makeFromSymbols(task, { server: parent.loader.server.address }),
          epoller: yield* Effect.cached(Scope.provide(makeEpoller(task, connection), scope)),
          environ: parent.environ.copy(),
          stdin: stdio(0),
          stdout: stdio(1),
          stderr: stdio(2),
          scope,
          execSigmask: new Set(),
          beforeChildren: Effect.void,
          ignoredSignals: new Set(),
        };
        if (ids !== undefined)
          yield* writeUserMapping(task, { outside: ids, ...(user && { inside: user }) });
        task.childNamespaces = childNamespaces;
        // A pid namespace cannot be seen before it has a first process.
        const unseen = childNamespaces.pid.id === undefined ? CLONE.NEWPID : 0;
        yield* learnNamespaces(task, flags | unseen);
        if (unseen !== 0 && !(flags & CLONE.NEWPID))
          parent.task.childNamespaces = { ...childNamespaces, pid: task.namespaces.pid };
        return { fields, process };
      }).pipe(
        Scope.provide(scope),
        Effect.onError(() => Scope.close(scope, Exit.void)),
      );
    }),
  );

/** The channels of a child: our end, and the one that it will have. */
interface Channels {
  readonly all: ReadonlyArray<[Socket, Socket]>;
  readonly syscalls: [Socket, Socket];
  /** For its memory, if that is not ours as well. */
  readonly data: [Socket, Socket] | undefined;
  /** To pass descriptors, unless it shares its parent's table. */
  readonly passing: [Socket, Socket] | undefined;
}

const openChannels = (
  { task, connection }: ThreadFields,
  flags: number,
): Effect.Effect<Channels, HandleFailure, Scope.Scope> => {
  const hasData = task.addressSpace !== connection.accessTask.addressSpace;
  const hasPassing = (flags & CLONE.FILES) === 0;
  return Effect.map(connection.openChannels(1 + Number(hasData) + Number(hasPassing)), (all) => {
    for (const [, far] of all) far.closeOnFork = true;
    const [syscalls, ...rest] = all as [[Socket, Socket], ...Array<[Socket, Socket]>];
    return {
      all,
      syscalls,
      data: hasData ? rest.shift() : undefined,
      passing: hasPassing ? rest.shift() : undefined,
    };
  });
};

const connect = (
  { task, connection: { accessTask, accessEpoller } }: ThreadFields,
  { syscalls, data }: Channels,
): Effect.Effect<SyscallConnection, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* AsyncFileDescriptor.make(accessEpoller, syscalls[0]);
    const dataSocket =
      data === undefined ? undefined : yield* AsyncFileDescriptor.make(accessEpoller, data[0]);
    return yield* SyscallConnection.make(task.abi, socket, syscalls[1].near, (connection) =>
      data === undefined || dataSocket === undefined
        ? new SharedMemoryTransport(connection, accessTask.sysif, accessTask.allocator)
        : new SocketMemoryTransport(connection, dataSocket, data[1].near),
    );
  });
