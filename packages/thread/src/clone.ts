import { CLONE, SIG } from "@rsyscall/abi";
import {
  type Connection,
  SharedMemoryTransport,
  SharedTableConnection,
  SocketMemoryTransport,
  type SyscallConnection,
  SyscallRing,
  SyscallSocket,
} from "@rsyscall/connection";
import { AsyncFileDescriptor } from "@rsyscall/epoller";
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
import {
  type Address,
  Fd,
  getpid,
  InvalidArgumentError,
  type SyscallFailure,
} from "@rsyscall/near";
import { RING_SIZE } from "@rsyscall/wire";
import { Effect, Exit, Scope } from "effect";
import { abandon } from "./abandon.ts";
import { ChildProcess } from "./ChildProcess.ts";
import { makeEpoller } from "./epoller.ts";
import { NativeLoader } from "./NativeLoader.ts";
import { once } from "./once.ts";
import type { Starter } from "./Starter.ts";
import type { ThreadFields } from "./ThreadFields.ts";

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

/**
 * Makes a child of a thread, which serves system calls in the same memory. Unless it is detached, the scope kills
 * it, and the kernel kills it when the parent dies for any reason.
 */
export const cloneThread = (
  parent: Starter,
  flags: number,
  { detached = false, user }: CloneChildOptions = {},
): Effect.Effect<{ fields: ThreadFields; process: ChildProcess }, HandleFailure, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      // Else the child would silently have the ids of its parent.
      if (typeof user === "object" && (flags & CLONE.NEWUSER) === 0)
        return yield* new InvalidArgumentError({
          syscall: "clone",
          argument: "user",
          value: user,
          expected: "left out without CLONE.NEWUSER, because only a new user namespace maps ids",
        });
      const outer = yield* Effect.scope;
      // The channels close with the caller's scope, or as soon as the child serves no longer.
      const scope = yield* Scope.fork(outer);
      // Holds what is open for the child, for as long as the child exists.
      const life = yield* Scope.fork(detached ? parent.scope : outer);
      return yield* Effect.gen(function* () {
        const ids =
          flags & CLONE.NEWUSER && user !== false ? yield* effectiveIds(parent.task) : undefined;
        yield* parent.beforeChildren();
        const channels = yield* openChannels(parent, flags);
        const far = channels.all.map(([, end]) => end);
        const table = parent.task.fdTable;
        const fdTable = flags & CLONE.FILES ? table : table.copy(parent.task.pid);
        let sysif!: SyscallConnection;
        const cloned = yield* Scope.provide(
          clone(parent.task, {
            flags,
            serverFd: channels.syscalls[1].near,
            hasRing: parent.memory !== undefined,
            // A child watches its ring for a moment before it sleeps: so that it finds the first request there, what
            // need not wait for the child is done before.
            before: (ring) =>
              Effect.map(Scope.provide(connect(parent, channels, ring), scope), (connected) => {
                sysif = connected;
              }),
            kept: far.map(({ near }) => near),
            deathSignal: detached ? undefined : SIG.KILL,
          }),
          life,
        );
        // This runs while the child starts.
        return yield* Effect.gen(function* () {
          sysif.subject = `pid ${cloned.pid}`;
          const fields = yield* makeThread(parent, flags, channels, fdTable, cloned, sysif, scope);
          const { task } = fields;
          task.atLeave(cloned.freeStack());
          const process = yield* ChildProcess.watch(
            parent,
            { ...cloned, life },
            Effect.andThen(lastWords(task, sysif), task.leave()),
          );
          sysif.subject = process;
          if (!detached) yield* Scope.addFinalizer(outer, process.killAndWait());
          if (ids !== undefined)
            yield* writeUserMapping(task, { outside: ids, ...(user && { inside: user }) });
          yield* learnChildNamespaces(parent.task, task, flags);
          return { fields, process };
        }).pipe(Effect.onError(() => abandon(cloned)));
      }).pipe(
        Scope.provide(scope),
        Effect.onError(() =>
          Effect.andThen(Scope.close(scope, Exit.void), Scope.close(life, Exit.void)),
        ),
      );
    }),
  );

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

const makeThread = Effect.fnUntraced(function* (
  parent: ThreadFields,
  flags: number,
  channels: Channels,
  fdTable: FdTable,
  { pid }: Cloned,
  sysif: SyscallConnection,
  scope: Scope.Closeable,
): Effect.fn.Return<ThreadFields, SyscallFailure, Scope.Scope> {
  sysif.closeAtEnd(scope);
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
    // In another pid namespace the child has a number of its own.
    pid: flags & CLONE.NEWPID || parent.task.isOutsideOfChildren ? yield* getpid(sysif) : pid,
    fdTable,
    addressSpace,
    // A task that shares memory shares its clock: only an exec moves it to the other time namespace.
    namespaces: { ...childNamespaces, time: namespaces.time },
    allocator: isOurs(parent) ? allocator.lend(sysif) : allocator.share(sysif),
    pageSize,
    sigmask,
    programSignals: programSignals.forChild(),
    decorators: parent.task.inheritedDecorators,
    outerPid: pid,
  });
  task.childNamespaces = childNamespaces;
  // The child has these, or copies of them; the parent has no use for them.
  const ends = yield* Effect.forEach(channels.all, ([, end]) => {
    const own = new Socket(task, end.near);
    own.closeOnFork = true;
    return Effect.as(end.release(), own);
  });
  const connection: Connection =
    channels.passing === undefined
      ? new SharedTableConnection(parent.connection, parent.task, task)
      : parent.connection.extendTo(channels.passing[0], ends.at(-1) as Socket);
  const stdio = (fd: number) => new FileDescriptor(task, Fd(fd));
  const epoller = once(Scope.provide(makeEpoller(task, connection), scope));
  return {
    task,
    connection,
    memory: parent.memory,
    loader: NativeLoader.makeFromSymbols(task, { server: parent.loader.server.address }),
    epoller: () => epoller,
    environ: parent.environ.copy(),
    stdin: stdio(0),
    stdout: stdio(1),
    stderr: stdio(2),
    scope,
    beforeChildren: () => Effect.void,
    ancestor: parent.ancestor,
  };
});

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

/** The channels of a child: the controller's end, and the end that the child will have. */
interface Channels {
  /** All channels, in the order of the fields below. */
  readonly all: ReadonlyArray<[Socket, Socket]>;
  readonly syscalls: [Socket, Socket];
  /** For its memory, unless the controller shares it. */
  readonly data: [Socket, Socket] | undefined;
  /** To pass descriptors, unless it shares its parent's table. */
  readonly passing: [Socket, Socket] | undefined;
}

const openChannels = (
  { connection, memory }: ThreadFields,
  flags: number,
): Effect.Effect<Channels, HandleFailure, Scope.Scope> => {
  const hasData = memory === undefined;
  const hasPassing = (flags & CLONE.FILES) === 0;
  const opened = connection.openChannels(1 + Number(hasData) + Number(hasPassing));
  return Effect.map(opened, (all) => {
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

/** Whether the memory of a thread is that of this process. */
const isOurs = ({ task, connection: { accessTask } }: ThreadFields): boolean =>
  task.addressSpace === accessTask.addressSpace;

const connect = Effect.fnUntraced(function* (
  parent: ThreadFields,
  { syscalls: [access, far], data }: Channels,
  ring: Address,
): Effect.fn.Return<SyscallConnection, HandleFailure, Scope.Scope> {
  const { task, memory, connection } = parent;
  const { accessTask, accessEpoller } = connection;
  const options = {
    abi: task.abi,
    socket: access,
    epoller: accessEpoller,
    serverFd: far.near,
  };
  if (memory !== undefined) {
    const { allocator } = isOurs(parent) ? accessTask : task;
    const mapped = yield* memory.map(ring, RING_SIZE);
    new Uint8Array(mapped.buffer).fill(0);
    return yield* SyscallRing.make(
      { ...options, memory: (sysif) => new SharedMemoryTransport(sysif, memory, allocator) },
      mapped,
    );
  }
  const [dataAccess, dataFar] = data as [Socket, Socket];
  const dataSocket = yield* AsyncFileDescriptor.make(accessEpoller, dataAccess);
  return yield* SyscallSocket.make({
    ...options,
    isCut: () => connection.isCut?.(access) ?? false,
    memory: (sysif) => new SocketMemoryTransport(sysif, dataSocket, dataFar.near),
  });
});
